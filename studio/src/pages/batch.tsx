/** Separates the selected tracks with one request, and edits or deletes them. */

import { useEffect, useState } from "preact/hooks";
import { api, dataOf, type Track } from "../api/client.ts";
import { followJob } from "../api/jobs.ts";
import { useAction } from "../api/requests.ts";
import { Button, Notice } from "../ui/components.tsx";
import { EditButtons } from "./edit.tsx";
import { DEFAULT_SETTINGS, parametersOf, SeparationControls } from "./separation/controls.tsx";

/** The most tracks of a batch that the server takes. */
const TRACK_LIMIT = 100;

interface BatchControlsProps {
  selected: readonly Track[];
  onClear: () => void;
}

export function BatchControls({ selected, onClear }: BatchControlsProps) {
  const [settings, setSettings] = useState(DEFAULT_SETTINGS);
  const [started, setStarted] = useState(0);
  const { isBusy, problem, run } = useAction();
  const isOpen = selected.length > 0;
  useEffect(() => {
    if (isOpen) setStarted(0);
  }, [isOpen]);
  // A download that is not finished has nothing to separate.
  const ids = selected.filter((track) => track.file_path).map(({ id }) => id);
  const separate = () =>
    run(async () => {
      const body = { track_ids: ids, ...parametersOf(settings) };
      const batch = await dataOf(api.POST("/api/processing/batch", { body: body as never }));
      await followJob(batch.id);
      onClear();
      setStarted(batch.total);
    });
  if (!isOpen)
    return started ? (
      <Notice>
        {tracksText(started)} will be separated. <a href="/studio/jobs">Jobs</a> shows the progress.
      </Notice>
    ) : null;
  const buttons = (
    <div class="row">
      <Button
        label="Separate the selected tracks"
        look="primary"
        disabled={isBusy || ids.length === 0 || ids.length > TRACK_LIMIT}
        onClick={() => void separate()}
      >
        Separate
      </Button>
      <EditButtons tracks={selected} what="the selected tracks" onDeleted={onClear} />
      <Button label="Clear the selection" disabled={isBusy} onClick={onClear}>
        Clear
      </Button>
      {ids.length > TRACK_LIMIT && <span class="quiet">Select at most {TRACK_LIMIT} tracks to separate them.</span>}
      {problem && <Notice look="bad">{problem}</Notice>}
    </div>
  );
  return (
    <div class="panel batch" role="group" aria-label="Selected tracks">
      <span>{tracksText(selected.length)} selected</span>
      {ids.length <= TRACK_LIMIT ? (
        <SeparationControls trackIds={ids} settings={settings} onChange={setSettings}>
          {buttons}
        </SeparationControls>
      ) : (
        buttons
      )}
    </div>
  );
}

function tracksText(count: number): string {
  return count === 1 ? "1 track" : `${count} tracks`;
}
