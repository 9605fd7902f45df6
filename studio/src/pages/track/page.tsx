/** The track page: what is known about a track, its mixer, and the jobs that make stems and measurements. */

import "./track.css";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Analysis, api, dataOf, type Stems, type Track } from "../../api/client.ts";
import { activeJobs, cancelJob, onJobFinished } from "../../api/jobs.ts";
import { nameOf } from "../../api/notifications.ts";
import { leaveFloor, takeFloor } from "../../audio/floor.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { Progress } from "../jobs/row.tsx";
import { Because } from "../separation/because.tsx";
import { AnalyseButton, ExportControls, SeparateControls } from "./actions.tsx";
import { Compare } from "./compare.tsx";
import { Facts } from "./facts.tsx";
import { Lanes } from "./lanes.tsx";
import { Player, type Recording } from "./player.ts";
import { runShortcut, ShortcutList } from "./shortcuts.tsx";
import { Transport } from "./transport.tsx";

interface Loaded {
  readonly track: Track;
  readonly stems: Stems;
  readonly analysis: Analysis | null;
}

export default function TrackPage({ id }: { id: string }) {
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
    return onJobFinished((job) => {
      if (job.track_id !== id) return;
      if (job.status === "failed" && job.error !== "cancelled") setProblem(job.error ?? "The job failed.");
      else load();
    });
  }, [id]);

  const jobs = [...activeJobs.value.values()].filter((job) => job.track_id === id);
  return (
    <div class="page track">
      {loaded && <Head {...loaded} />}
      {problem && <Notice look="bad">{problem}</Notice>}
      {jobs.map((job) => (
        <Notice
          key={job.id}
          action={
            <Button label="Cancel the job" disabled={job.cancel_requested} onClick={() => void cancelJob(job.id)}>
              Cancel
            </Button>
          }
        >
          {nameOf(job)}
          <Progress job={job} />
        </Notice>
      ))}
      {loaded && <Studio key={String(loaded.stems.stems.length > 0)} {...loaded} />}
    </div>
  );
}

function Head({ track, analysis }: Loaded) {
  return (
    <header class="row apart">
      <div>
        <h1>{track.title}</h1>
        <p class="quiet">{[track.artist, track.album].filter(Boolean).join(" · ") || track.filename}</p>
      </div>
      <Facts track={track} analysis={analysis} />
    </header>
  );
}

/** The player of the chosen separations. The latest one plays until the user chooses another. */
function Studio({ track, stems, analysis }: Loaded) {
  const [recording, setRecording] = useState<Recording>({ stems, other: null, position: 0 });
  const [problem, setProblem] = useState("");
  const choose = (own: string, other: string, position: number) => {
    const load = (id: string) => (id === idOf(stems) ? Promise.resolve(stems) : loadStems(track.id, id));
    Promise.all([load(own), other && other !== own ? load(other) : null]).then(
      ([first, second]) => {
        setProblem(second && !isAligned(first, second) ? "These separations have different sample rates." : "");
        setRecording({ stems: first, other: second && isAligned(first, second) ? second : null, position });
      },
      (error: Error) => setProblem(error.message),
    );
  };
  return (
    <>
      {problem && <Notice look="bad">{problem}</Notice>}
      <Desk
        key={`${idOf(recording.stems)} ${idOf(recording.other)}`}
        track={track}
        analysis={analysis}
        recording={recording}
        separations={stems.separations}
        onChoose={choose}
      />
    </>
  );
}

interface DeskProps {
  track: Track;
  analysis: Analysis | null;
  recording: Recording;
  separations: Stems["separations"];
  onChoose: (own: string, other: string, position: number) => void;
}

function Desk({ track, analysis, recording, separations, onChoose }: DeskProps) {
  const [player] = useState(() => (recording.stems.stems.length > 0 ? new Player(track.id, recording) : null));
  useEffect(() => {
    player?.engine.prefetch().catch(() => {}); // playback tries again, and shows the error
    return () => void player?.close();
  }, [player]);
  useEffect(() => {
    if (!player) return;
    player.beats.value = analysis?.beats ?? [];
    player.series.value = analysis?.features;
    player.musicalKey.value = track.key ?? analysis?.key ?? "";
  }, [player, analysis, track]);
  return (
    <>
      {player ? <Mixer player={player} /> : <Whole track={track} />}
      {player && (
        <Compare
          separations={separations}
          own={idOf(recording.stems)}
          other={idOf(recording.other)}
          player={player}
          onChoose={onChoose}
        />
      )}
      {player && <Origin separations={separations} id={idOf(recording.stems)} />}
      <SeparateControls track={track} isFirst={!player} />
      <section class="row" aria-label="Actions">
        <AnalyseButton track={track} isFirst={!analysis} />
        <a class="button" href={`/studio/agents/about/${track.id}`}>
          Ask the agents
        </a>
        {player && <ExportControls track={track} player={player} />}
      </section>
    </>
  );
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
      <Lanes player={player} onHelp={() => openHelp(true)} />
      {isHelpOpen && <ShortcutList onClose={() => openHelp(false)} />}
    </>
  );
}

/** A track without stems plays as it is. */
function Whole({ track }: { track: Track }) {
  const element = useRef<HTMLAudioElement>(null);
  const [pause] = useState(() => () => element.current?.pause());
  useEffect(() => () => leaveFloor(pause), [pause]);
  if (!track.file_path) return <Notice>This track has no audio yet. Its download is not finished.</Notice>;
  return (
    <div class="panel drop">
      <audio
        ref={element}
        controls
        preload="none"
        src={track.file_path}
        aria-label={track.title}
        onPlay={() => takeFloor(pause)}
      />
      <p class="quiet">Separate the track to mix its stems.</p>
    </div>
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
