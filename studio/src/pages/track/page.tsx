/** The track page: what is known about a track, its mixer, and the jobs that make stems and measurements. */

import "./track.css";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Analysis, api, dataOf, type Stems, type Track } from "../../api/client.ts";
import { activeJobs, cancelJob, onJobFinished } from "../../api/jobs.ts";
import { nameOf } from "../../api/notifications.ts";
import { leaveFloor, takeFloor } from "../../audio/floor.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { Progress } from "../jobs/row.tsx";
import { AnalyseButton, ExportControls, SeparateControls } from "./actions.tsx";
import { Facts } from "./facts.tsx";
import { Lanes } from "./lanes.tsx";
import { Player } from "./player.ts";
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
          {[nameOf(job), job.model].filter(Boolean).join(" · ")}
          <Progress job={job} />
        </Notice>
      ))}
      {loaded && <Studio key={loaded.stems.stems[0]?.id ?? ""} {...loaded} />}
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

function Studio({ track, stems, analysis }: Loaded) {
  const [player] = useState(() => (stems.stems.length > 0 ? new Player(track.id, stems) : null));
  useEffect(() => {
    player?.engine.prefetch().catch(() => {}); // playback tries again, and shows the error
    return () => void player?.close();
  }, [player]);
  useEffect(() => {
    if (player) player.beats.value = analysis?.beats ?? [];
  }, [player, analysis]);
  return (
    <>
      {player ? <Mixer player={player} /> : <Recording track={track} />}
      <section class="row" aria-label="Actions">
        <SeparateControls track={track} isFirst={!player} />
        <AnalyseButton track={track} isFirst={!analysis} />
        {player && <ExportControls track={track} player={player} />}
      </section>
    </>
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
function Recording({ track }: { track: Track }) {
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

async function loadTrack(id: string): Promise<Loaded> {
  const params = { path: { track_id: id } };
  const [track, stems] = await Promise.all([
    dataOf(api.GET("/api/tracks/{track_id}", { params })),
    dataOf(api.GET("/api/tracks/{track_id}/stems", { params })),
  ]);
  const analysis = track.status === "analyzed" ? await dataOf(api.GET("/api/analysis/{track_id}", { params })) : null;
  return { track, stems, analysis };
}
