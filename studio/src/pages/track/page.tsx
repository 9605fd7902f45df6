/** The track page: what is known about a track, its mixer, and the jobs that make stems and measurements. */

import "./track.css";
import { effect, untracked } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { account, type Analysis, api, dataOf, type LiveStems, type Stems, type Track } from "../../api/client.ts";
import { onReconnected } from "../../api/connection.ts";
import { editTracks, onEdited } from "../../api/edits.ts";
import { jobsOf, onJobFinished } from "../../api/jobs.ts";
import { LiveFeed } from "../../api/live.ts";
import { isReloaded, navigate } from "../../router.ts";
import { type Media, showMedia } from "../../player/media-keys.ts";
import { canStretch } from "../../audio/stretch.ts";
import { Cover, Notice } from "../../ui/components.tsx";
import { EditButtons } from "../edit.tsx";
import { Because } from "../separation/because.tsx";
import { AnalyseButton, NextFeatures, RunningJobs, SeparateControls } from "./actions.tsx";
import { Compare } from "./compare.tsx";
import { Downloads } from "./downloads.tsx";
import { Facts } from "./facts.tsx";
import { KeepOffline } from "./keep-offline.tsx";
import { Lanes } from "./lanes.tsx";
import { Loops } from "./loops.tsx";
import { Lyrics } from "./lyrics.tsx";
import { NO_CORRECTIONS } from "./music.ts";
import { Player, type Recording } from "./player.ts";
import { Practice } from "./practice.tsx";
import { Sharing } from "./sharing.tsx";
import { ChordSheet } from "./sheet.tsx";
import { runShortcut, ShortcutList } from "./shortcuts.tsx";
import { liveStems, type PlayedStem, wholeStems } from "./sources.ts";
import { Transport } from "./transport.tsx";
import { timeText } from "../../waveform/view.ts";
import { Whole } from "./whole.tsx";

interface Loaded {
  readonly track: Track;
  readonly stems: Stems;
  readonly analysis: Analysis | null;
}

interface TrackPageProps {
  readonly id: string;
  /** Whether the track plays at once. */
  readonly isPlaying?: boolean | undefined;
  /** Called when the track has played to its end. */
  readonly onEnded?: (() => void) | undefined;
}

export default function TrackPage({ id, isPlaying = false, onEnded }: TrackPageProps) {
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    const load = () =>
      loadTrack(id).then(
        (found) => {
          setLoaded(found);
          setProblem("");
          document.title = `${found.track.title} · Soundwright`;
        },
        (error: Error) => setProblem(error.message),
      );
    load();
    const stops = [
      onEdited((changed) => {
        const track = changed.find((each) => each.id === id);
        if (track) setLoaded((found) => found && { ...found, track });
      }),
      onReconnected(load),
      onJobFinished((job) => {
        if (job.track_id !== id) return;
        if (job.status === "failed" && job.error !== "cancelled") setProblem(job.error ?? "The job failed.");
        else load();
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }, [id]);

  return (
    <div class="page track">
      {loaded && <Head {...loaded} />}
      {problem && (
        <Notice look="bad" action={!loaded && <a href="/studio">All tracks</a>}>
          {problem}
        </Notice>
      )}
      <RunningJobs trackId={id} type="analysis" />
      {loaded && <Studio {...loaded} isPlaying={isPlaying} onEnded={onEnded} />}
    </div>
  );
}

export function Head({ track, analysis }: Pick<Loaded, "track" | "analysis">) {
  return (
    <header class="row apart">
      <div class="row">
        {track.cover_path && <Cover path={track.cover_path} isLarge />}
        <div>
          <h1>{track.title}</h1>
          <p class="quiet">{[track.artist, track.album].filter(Boolean).join(" · ") || track.filename}</p>
        </div>
      </div>
      <Facts track={track} analysis={analysis} />
    </header>
  );
}

/** The player of the chosen separations. A new one plays as soon as it is there. */
function Studio({ track, stems, analysis, isPlaying, onEnded }: Loaded & Omit<TrackPageProps, "id">) {
  const [recording, setRecording] = useState<Recording>({
    stems,
    other: null,
    position: isPlaying && !isReloaded() ? 0 : null,
    isPlaying: isPlaying ?? false,
  });
  const [latest, setLatest] = useState(stems);
  const [isReplaced, setReplaced] = useState(false);
  const [problem, setProblem] = useState("");
  const playing = useRef<Player | null>(null);
  const onPlayer = useCallback((player: Player | null) => {
    playing.current = player;
  }, []);
  const isNew = latest !== stems && idOf(latest) !== idOf(stems);
  const positionIn = ({ stems: [first] }: Stems) => {
    const player = playing.current;
    return player && first ? Math.round((player.position / player.sampleRateHz) * first.sample_rate_hz) : null;
  };
  useLiveRecording(track.id, (live) => {
    const player = playing.current;
    if (!live) setRecording({ stems: latest, other: null, position: positionIn(latest) });
    else if (!player?.isPlaying.value || player.feed?.jobId === live.feed.jobId) {
      const stems = liveStems(track.id, live.feed, live.state);
      setRecording({
        stems,
        other: null,
        position: positionIn(stems),
        isPlaying: player?.isPlaying.value ?? false,
      });
    }
  });
  useEffect(() => {
    if (!isNew) return;
    const player = playing.current;
    if (player?.feed?.jobId === idOf(stems) && player.isPlaying.value) {
      setLatest(stems); // it plays on: the same addresses have the finished stems
      return;
    }
    setRecording({ stems, other: null, position: positionIn(stems), isPlaying: player?.isPlaying.value ?? false });
    setLatest(stems);
    setReplaced(stems.separations.length > 1);
  }, [isNew, stems]);
  const choose = (own: string, other: string, position: number) => {
    setReplaced(false);
    const load = (id: string) => (id === idOf(stems) ? Promise.resolve(stems) : loadStems(track.id, id));
    Promise.all([load(own), other && other !== own ? load(other) : null]).then(
      ([first, second]) => {
        setProblem(second && !isAligned(first, second) ? "These separations have different sample rates." : "");
        setRecording({ stems: first, other: second && isAligned(first, second) ? second : null, position });
      },
      (error: Error) => setProblem(error.message),
    );
  };
  const [own, other] = [idOf(recording.stems), idOf(recording.other)];
  const [first] = recording.stems.stems as readonly PlayedStem[];
  return (
    <>
      {problem && <Notice look="bad">{problem}</Notice>}
      {analysis && <NextFeatures track={track} analysis={analysis} />}
      {isReplaced && <Notice>The mixer has the new separation. Earlier ones stay in the list below it.</Notice>}
      {own ? (
        <Desk
          key={`${own} ${other} ${first?.live?.attempt ?? ""}`}
          track={track}
          analysis={analysis}
          recording={recording}
          onPlayer={onPlayer}
          onEnded={onEnded}
          isOwn
        >
          {(player) => (
            <>
              <Growth player={player} />
              <Compare separations={stems.separations} own={own} other={other} player={player} onChoose={choose} />
              <Origin separations={stems.separations} id={own} />
              {player.feed?.state.value?.state !== "live" && <Downloads track={track} player={player} />}
              {own === idOf(stems) && <KeepOffline track={track} stems={stems} />}
            </>
          )}
        </Desk>
      ) : (
        <Unseparated track={track} analysis={analysis} isPlaying={isPlaying} onEnded={onEnded} onPlayer={onPlayer} />
      )}
      <section class="row" aria-label="Actions">
        <AnalyseButton
          track={track}
          isFirst={!analysis}
          hasPiano={stems.stems.some((stem) => stem.stem_type === "piano")}
        />
        <a class="button" href={`/studio/agents/about/${track.id}`}>
          Ask the agents
        </a>
        <EditButtons tracks={[track]} what="the track" onDeleted={() => navigate("/studio")} />
      </section>
      <SeparateControls track={track} isFirst={!own} />
      <AnalysisHints analysis={analysis} stems={recording.stems.stems} />
      {account && <Sharing trackId={track.id} />}
    </>
  );
}

/** A track without stems: its recording in the mixer, or a plain player if it is not analysed, or too long for the mixer. */
function Unseparated({
  track,
  analysis,
  isPlaying = false,
  onEnded,
  onPlayer,
}: Omit<Loaded, "stems"> & Omit<TrackPageProps, "id"> & Pick<DeskProps, "onPlayer">) {
  const { id, duration_seconds: duration, file_path: audio } = track;
  const frameCount = track.frame_count ?? 0;
  const waveform = `/api/tracks/${id}/waveform`;
  const isAnalysed = analysis !== null;
  /** Where the mixer begins; null while the plain player plays. */
  const [seconds, setSeconds] = useState<number | null>(0);
  const recording = useMemo(() => {
    const stems = isAnalysed && seconds !== null ? wholeStems(id, duration, frameCount, audio, waveform) : null;
    const begin = seconds ?? 0;
    const position = begin || (isPlaying && !isReloaded()) ? Math.round((begin * frameCount) / duration) : null;
    return stems && { stems, other: null, position, isPlaying: isPlaying && begin === 0 };
  }, [id, duration, frameCount, audio, waveform, isAnalysed, seconds, isPlaying]);
  if (recording) {
    return (
      <Desk track={track} analysis={analysis} recording={recording} onPlayer={onPlayer} onEnded={onEnded} isOwn>
        {(player) => <Downloads track={track} player={player} />}
      </Desk>
    );
  }
  return (
    <Whole
      trackId={id}
      media={mediaOf(track)}
      audio={audio}
      waveform={waveform}
      seconds={duration}
      frameCount={frameCount}
      isPlaying={isPlaying}
      onEnded={onEnded}
      onPlay={() => setSeconds(null)}
      onPause={setSeconds}
    />
  );
}

/** Says what an analysis lacks, and when another one would be better. */
function AnalysisHints({ analysis, stems }: { analysis: Analysis | null; stems: Stems["stems"] }) {
  const isUnread = ({ feature }: { feature: string }) =>
    feature === "vocal_activity" && stems.some((stem) => stem.stem_type === "vocals");
  const unavailable = analysis?.unavailable ?? [];
  const better = [
    stems.length > 0 && analysis?.notes?.source === "mix" && "the notes of each stem",
    unavailable.some(isUnread) && "where somebody sings",
  ].filter(Boolean);
  return (
    <>
      {better.length > 0 && (
        <p class="quiet">This analysis is older than the stems. Analyse again to find {better.join(" and ")}.</p>
      )}
      {unavailable
        .filter((each) => !isUnread(each))
        .map(({ feature, message }) => (
          <p class="quiet" key={feature}>
            No {feature.replace("_", " ")}: {message}
          </p>
        ))}
    </>
  );
}

/** Call `onChange` when the separation of a track that runs can be heard or begins again, and with null when it fails. */
function useLiveRecording(
  trackId: string,
  onChange: (live: { feed: LiveFeed; state: LiveStems } | null) => void,
): void {
  const change = useRef(onChange);
  change.current = onChange;
  const jobId = jobsOf(trackId).find((job) => job.job_type === "processing" && job.status === "processing")?.id;
  const feeds = useRef(new Map<string, LiveFeed>());
  useEffect(() => {
    const opened = feeds.current;
    return () => {
      for (const feed of opened.values()) feed.close();
    };
  }, []);
  useEffect(() => {
    if (!jobId || feeds.current.has(jobId)) return;
    const feed = new LiveFeed(jobId);
    feeds.current.set(jobId, feed);
    let attempt = 0;
    effect(() => {
      const state = feed.state.value;
      if (!state) return;
      if (state.state === "live" && state.attempt !== attempt) {
        attempt = state.attempt;
        untracked(() => change.current({ feed, state }));
      } else if (attempt && (state.state === "failed" || state.state === "cancelled")) {
        untracked(() => change.current(null));
      }
    });
  }, [jobId]);
}

/** Says how much of a separation that runs can be heard. */
function Growth({ player }: { player: Player }) {
  const found = player.feed?.state.value;
  if (!found?.segment_frame_count || found.state !== "live") return null;
  const seconds = found.segment_frame_count / player.sampleRateHz;
  const speed = (player.feed?.segmentsPerSecond.value ?? 0) * seconds;
  const ready = found.ready_segment_count * seconds;
  const whole = (found.frame_count ?? 0) / player.sampleRateHz;
  const wait = speed > 0 && speed < 1 ? Math.ceil((1 / speed - 1) * whole - ready / speed) : 0;
  const position = player.position / player.sampleRateHz;
  const isWaiting = player.state.value === "buffering" && position >= ready;
  return (
    <Notice>
      You hear the separation while it runs: {timeText(ready)} of {timeText(whole)} is there.
      {isWaiting &&
        ` Playback waits for ${timeText(position)}` +
          (speed > 0 ? `, which comes in about ${timeText(Math.ceil((position + seconds - ready) / speed))}.` : ".")}
      {wait > 0 && ` Begin in ${timeText(wait)} to hear it without a break.`}
    </Notice>
  );
}

interface DeskProps {
  track: Track;
  analysis: Analysis | null;
  recording: Recording;
  /** Called with the player, and with null when it is closed. */
  onPlayer?: ((player: Player | null) => void) | undefined;
  onEnded?: (() => void) | undefined;
  /** Whether the account stores corrections of the analysis. */
  isOwn?: boolean;
  children?: (player: Player) => ComponentChildren;
}

/** The mixer of a separated recording, and what its player is for. */
export function Desk({ track, analysis, recording, onPlayer, onEnded, isOwn = false, children }: DeskProps) {
  const [player] = useState(() => new Player(track.id, recording));
  useEffect(() => {
    onPlayer?.(player);
    // A whole recording is large, and loads when it plays. If this fails, playback tries again, and shows the error.
    if (!player.isWhole) player.engine.prefetch().catch(() => {});
    if (recording.isPlaying) player.toggle();
    return () => {
      onPlayer?.(null);
      void player.close();
    };
  }, [player, recording, onPlayer]);
  useEffect(
    () =>
      effect(() => {
        if (player.isPlaying.value) showMedia(mediaOf(track));
      }),
    [player, track],
  );
  const ended = useRef(onEnded);
  ended.current = onEnded;
  useEffect(
    () =>
      effect(() => {
        const isPlaying = player.isPlaying.value;
        if (!isPlaying && player.position >= player.frameCount) ended.current?.();
      }),
    [player],
  );
  useEffect(() => {
    player.music.analysis.value = analysis;
    player.music.key.value = track.key ?? analysis?.key ?? "";
    // Corrections of the demo song, and of tracks that somebody shares, stay in this browser.
    if (isOwn || track.corrections) player.music.takeStored(track.corrections ?? NO_CORRECTIONS);
    player.music.store = isOwn ? (corrections) => editTracks([track], () => ({ corrections })) : null;
  }, [player, analysis, track, isOwn]);
  return (
    <>
      <Mixer player={player} />
      {children?.(player)}
    </>
  );
}

/** What the lock screen shows of a track. */
export function mediaOf({ title, artist, cover_path: cover }: Track): Media {
  return { title, artist: artist ?? "", cover };
}

/** Says which model made the stems, and why it was not the requested one. */
function Origin({ separations, id }: { separations: Stems["separations"]; id: string }) {
  const separation = separations.find((each) => each.id === id);
  if (!separation) return null;
  return (
    <p class="quiet">
      Separated by {separation.model}.{" "}
      {separation.degraded_reason && (
        <Because reason={separation.degraded_reason} details={separation.degraded_details} />
      )}
    </p>
  );
}

function Mixer({ player }: { player: Player }) {
  const [isHelpOpen, openHelp] = useState(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "?" && !isHelpOpen) openHelp(true);
      else if (!runShortcut(player, event)) return;
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [player, isHelpOpen]);
  return (
    <>
      <Transport player={player} />
      {player.problem.value && <Notice look="bad">{player.problem.value}</Notice>}
      {!canStretch && player.isStretched && (
        <Notice>
          You hear the original speed and pitch, because browsers change them on pages of HTTPS only. Mixes and exports
          have your settings.
        </Notice>
      )}
      <Loops player={player} />
      <Lanes player={player} onHelp={() => openHelp(true)} />
      <Practice player={player} />
      <ChordSheet player={player} />
      <Lyrics player={player} />
      {isHelpOpen && <ShortcutList onClose={() => openHelp(false)} />}
    </>
  );
}

function idOf(stems: Stems | null): string {
  return stems?.stems[0]?.processing_job_id ?? "";
}

/** Return whether the stems of two separations can play in one clock. */
function isAligned({ stems: [a] }: Stems, { stems: [b] }: Stems): boolean {
  return a?.sample_rate_hz === b?.sample_rate_hz && a?.frame_count === b?.frame_count;
}

function loadStems(trackId: string, separationId: string): Promise<Stems> {
  const params = { path: { track_id: trackId }, query: { separation_id: separationId } };
  return dataOf(api.GET("/api/tracks/{track_id}/stems", { params }));
}

async function loadTrack(id: string): Promise<Loaded> {
  const params = { path: { track_id: id } };
  const [track, stems] = await Promise.all([
    dataOf(api.GET("/api/tracks/{track_id}", { params })),
    dataOf(api.GET("/api/tracks/{track_id}/stems", { params })),
  ]);
  const analysis = track.status === "analyzed" ? await dataOf(api.GET("/api/analysis/{track_id}", { params })) : null;
  return { track, stems, analysis };
}
