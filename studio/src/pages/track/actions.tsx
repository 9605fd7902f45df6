/** Starts jobs for a track, and exports its mix and its stems. */

import { useState } from "preact/hooks";
import { api, dataOf, refusal, type Track } from "../../api/client.ts";
import { followJob } from "../../api/jobs.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { FIRST_WISH, parametersOf, WishControls } from "../separation/wish.tsx";
import type { Player } from "./player.ts";

/** Run an action. Return whether it runs, the message of its failure, and a function that starts it. */
function useAction(action: () => Promise<void>): { isBusy: boolean; problem: string; start: () => void } {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const start = () => {
    setBusy(true);
    setProblem("");
    action()
      .catch((error: Error) => setProblem(error.message))
      .finally(() => setBusy(false));
  };
  return { isBusy, problem, start };
}

export function SeparateControls({ track, isFirst }: { track: Track; isFirst: boolean }) {
  const [wish, setWish] = useState(FIRST_WISH);
  const { isBusy, problem, start } = useAction(async () => {
    const body = { track_id: track.id, ...parametersOf(wish) };
    const { job_id } = await dataOf(api.POST("/api/processing/separate", { body: body as never }));
    await followJob(job_id);
  });
  const text = isFirst ? "Separate into stems" : "Separate again";
  return (
    <section class="panel separate" aria-label="Separate">
      <WishControls trackIds={track.file_path ? [track.id] : []} wish={wish} onChange={setWish} />
      <div class="row">
        <Button label={text} look={isFirst ? "primary" : "plain"} disabled={isBusy || !track.file_path} onClick={start}>
          {text}
        </Button>
        {problem && <Notice look="bad">{problem}</Notice>}
      </div>
    </section>
  );
}

export function AnalyseButton({ track, isFirst }: { track: Track; isFirst: boolean }) {
  const { isBusy, problem, start } = useAction(async () => {
    const body = { track_id: track.id, features: ["tempo", "key", "energy", "chroma"] };
    const { job_id } = await dataOf(api.POST("/api/analysis/analyze", { body: body as never }));
    await followJob(job_id);
  });
  return (
    <>
      <Button label={isFirst ? "Analyse" : "Analyse again"} disabled={isBusy || !track.file_path} onClick={start}>
        {isFirst ? "Analyse" : "Analyse again"}
      </Button>
      {problem && <Notice look="bad">{problem}</Notice>}
    </>
  );
}

const FORMATS = [
  ["wav16", "WAV, 16 bits"],
  ["wav24", "WAV, 24 bits"],
  ["wav32f", "WAV, 32-bit float"],
  ["flac16", "FLAC, 16 bits"],
  ["flac", "FLAC, 24 bits"],
] as const;

export function ExportControls({ track, player }: { track: Track; player: Player }) {
  const [format, setFormat] = useState<string>(FORMATS[0][0]);
  const isStretched = player.speed.value !== 1 || player.semitones.value !== 0;
  const { isBusy, problem, start } = useAction(async () => {
    const form = new FormData();
    form.append("track_id", track.id);
    form.append("separation_id", player.stems[0]?.processing_job_id ?? "");
    form.append("manifest", player.manifest(format));
    const { data, error, response } = await api.POST("/api/daw/export", {
      body: form as never,
      bodySerializer: (body) => body as unknown as FormData,
      parseAs: "blob",
    });
    if (!data) throw refusal(response.status, error);
    save(data as Blob, `${track.title} - mix.${format.startsWith("flac") ? "flac" : "wav"}`);
  });
  return (
    <div class="row">
      <label class="field">
        Format
        <select class="input" value={format} onChange={(event) => setFormat(event.currentTarget.value)}>
          {FORMATS.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <Button label="Export the mix" disabled={isBusy} onClick={start}>
        {isBusy ? "Mixing…" : "Export the mix"}
      </Button>
      <a class="button" href={`/export/stems/${track.id}`} download>
        Stems as ZIP
      </a>
      {isStretched && <p class="quiet">The export has the original speed and pitch.</p>}
      {player.switched.value.size > 0 && <p class="quiet">The export mixes separation A.</p>}
      {problem && <Notice look="bad">{problem}</Notice>}
    </div>
  );
}

function save(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
