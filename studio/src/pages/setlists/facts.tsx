import type { Track } from "../../api/client.ts";
import { timeText } from "../../waveform/view.ts";

/** The key, tempo and length of a track on one line. */
export function KeyAndTempo({ track }: { track: Track }) {
  const facts = [track.key, track.bpm && `${track.bpm.toFixed(0)} bpm`, timeText(track.duration_seconds)];
  return <span class="number quiet setlist-facts">{facts.filter(Boolean).join(" · ")}</span>;
}
