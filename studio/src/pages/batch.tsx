/** Separates the selected tracks with one request. */

import { useEffect, useState } from "preact/hooks";
import { api, dataOf } from "../api/client.ts";
import { followJob } from "../api/jobs.ts";
import { useAction } from "../api/requests.ts";
import { Button, Notice } from "../ui/components.tsx";
import { FIRST_WISH, parametersOf, WishControls } from "./separation/wish.tsx";

/** The most tracks of a batch that the server takes. */
const TRACK_LIMIT = 100;

interface BatchControlsProps {
  /** The IDs of the selected tracks. */
  selected: ReadonlySet<string>;
  onClear: () => void;
}

export function BatchControls({ selected, onClear }: BatchControlsProps) {
  const [wish, setWish] = useState(FIRST_WISH);
  const [started, setStarted] = useState(0);
  const { isBusy, problem, run } = useAction();
  const isOpen = selected.size > 0;
  useEffect(() => {
    if (isOpen) setStarted(0);
  }, [isOpen]);
  const separate = () =>
    run(async () => {
      const body = { track_ids: [...selected], ...parametersOf(wish) };
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
  return (
    <div class="panel batch" role="group" aria-label="Selected tracks">
      <span>{tracksText(selected.size)} selected</span>
      <WishControls trackIds={selected.size > TRACK_LIMIT ? [] : [...selected]} wish={wish} onChange={setWish} />
      <div class="row">
        <Button
          label="Separate the selected tracks"
          look="primary"
          disabled={isBusy || selected.size > TRACK_LIMIT}
          onClick={() => void separate()}
        >
          Separate
        </Button>
        <Button label="Clear the selection" disabled={isBusy} onClick={onClear}>
          Clear
        </Button>
        {problem && <Notice look="bad">{problem}</Notice>}
      </div>
    </div>
  );
}

function tracksText(count: number): string {
  return count === 1 ? "1 track" : `${count} tracks`;
}
