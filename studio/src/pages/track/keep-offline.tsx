/** The switch that keeps a separated track in the browser. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Stems, Track } from "../../api/client.ts";
import { bytesOf, forgetOffline, isSupported, keepOffline, kept } from "../../api/offline.ts";
import { Notice } from "../../ui/components.tsx";
import { sizeText } from "../../ui/texts.ts";

export function KeepOffline({ track, stems }: { track: Track; stems: Stems }) {
  const [share, setShare] = useState<number | null>(null);
  const [problem, setProblem] = useState("");
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  if (!isSupported) return null;
  const separationId = stems.stems[0]?.processing_job_id;
  const found = kept.value.find(
    (each) => each.id === track.id && each.separationId === separationId && each.isComplete,
  );
  const change = async (isWanted: boolean) => {
    running.current?.abort();
    setProblem("");
    if (!isWanted) {
      await forgetOffline(track.id);
      return;
    }
    const controller = new AbortController();
    running.current = controller;
    setShare(0);
    try {
      await keepOffline(track, stems, setShare, controller.signal);
    } catch (error) {
      if (!controller.signal.aborted) setProblem((error as Error).message);
    }
    setShare(null);
  };
  const size = found ? sizeText(found.bytes) : `about ${sizeText(bytesOf(stems))}`;
  return (
    <>
      <label class="field keep-offline">
        <input
          type="checkbox"
          role="switch"
          checked={found !== undefined || share !== null}
          onChange={(event) => void change(event.currentTarget.checked)}
        />
        <span>
          Keep offline <span class="quiet number">{share === null ? size : `${Math.floor(100 * share)} %`}</span>
        </span>
      </label>
      {problem && <Notice look="bad">{problem}</Notice>}
    </>
  );
}
