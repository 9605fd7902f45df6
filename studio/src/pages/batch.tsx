/** Separates the selected tracks with one request. */

import { useEffect, useState } from "preact/hooks";
import { api, dataOf, type SeparationModel } from "../api/client.ts";
import { followJob } from "../api/jobs.ts";
import { useAction } from "../api/requests.ts";
import { Button, Notice } from "../ui/components.tsx";

/** The most tracks of a batch that the server takes. */
const TRACK_LIMIT = 100;

interface BatchControlsProps {
  /** The IDs of the selected tracks. */
  selected: ReadonlySet<string>;
  onClear: () => void;
}

export function BatchControls({ selected, onClear }: BatchControlsProps) {
  const [models, setModels] = useState<readonly SeparationModel[]>([]);
  const [model, setModel] = useState("");
  const [started, setStarted] = useState(0);
  const { isBusy, problem, run } = useAction();
  const isOpen = selected.size > 0;
  useEffect(() => {
    if (!isOpen) return;
    setStarted(0);
    dataOf(api.GET("/api/processing/models")).then(
      (found) => setModels(found.models),
      () => {}, // the default model is enough
    );
  }, [isOpen]);
  const separate = () =>
    run(async () => {
      const body = { track_ids: [...selected], model };
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
    <div class="panel row" role="group" aria-label="Selected tracks">
      <span>{tracksText(selected.size)} selected</span>
      <label class="field">
        Model
        <select class="input" value={model} onChange={(event) => setModel(event.currentTarget.value)}>
          <option value="">Default</option>
          <option value="auto">Automatic</option>
          {models.map(({ name, stems, available }) => (
            <option key={name} value={name}>
              {name} ({stems} stems{available ? "" : ", not available"})
            </option>
          ))}
        </select>
      </label>
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
  );
}

function tracksText(count: number): string {
  return count === 1 ? "1 track" : `${count} tracks`;
}
