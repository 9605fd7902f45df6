/** Tempo, key and loudness of a track. Values that the owner has edited win over measured ones. */

import type { Analysis, Track } from "../../api/client.ts";
import { timeText } from "../../waveform/view.ts";

export function Facts({ track, analysis }: { track: Track; analysis: Analysis | null }) {
  const tempo = track.bpm ?? analysis?.tempo;
  const key = track.key ?? analysis?.key;
  const isMeasuredKey = key === analysis?.key;
  return (
    <dl class="facts">
      <Fact name="Length" value={timeText(track.duration_seconds)} />
      <Fact name="Tempo" value={tempo ? `${tempo.toFixed(1)} bpm` : null} />
      <Fact name="Key" value={key ?? null} />
      <Fact name="Camelot" value={(isMeasuredKey && analysis?.camelot) || null} />
      <Fact name="Loudness" value={unitText(analysis?.loudness_lufs, "LUFS")} />
      <Fact name="True peak" value={unitText(analysis?.true_peak_dbtp, "dBTP")} />
    </dl>
  );
}

function Fact({ name, value }: { name: string; value: string | null }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="number">{value ?? "–"}</dd>
    </div>
  );
}

function unitText(value: number | null | undefined, unit: string): string | null {
  return value == null ? null : `${value.toFixed(1).replace(/^-0\.0$/, "0.0")} ${unit}`;
}
