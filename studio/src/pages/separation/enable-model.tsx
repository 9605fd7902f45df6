/** Shows administrators what is known about a model, and gets its weights. */

import "../../ui/forms.css";
import { useState } from "preact/hooks";
import { api, dataOf } from "../../api/client.ts";
import { useAction } from "../../api/requests.ts";
import { Button, Dialog, Notice } from "../../ui/components.tsx";
import { sizeText } from "../../ui/texts.ts";

const POLL_MILLISECONDS = 2000;

export interface ModelFacts {
  readonly name: string;
  readonly description: string;
  /** Of the weights. */
  readonly licence: string;
  readonly licence_note: string | null;
  readonly source: string | null;
  readonly size_bytes: number | null;
  /** No licence of the weights is stated, and nobody has allowed them. */
  readonly needs_consent: boolean;
}

type Component = "separation" | "generation";

interface Props {
  component: Component;
  model: ModelFacts;
  /** Called when the weights begin to arrive, and when they are there or the download has failed. */
  onChange: () => unknown;
  disabled?: boolean;
}

export function EnableModel({ component, model, onChange, disabled = false }: Props) {
  const [isOpen, open] = useState(false);
  const { isBusy, problem, run } = useAction();
  const text = model.needs_consent ? "Enable" : "Fetch";
  const enable = () => {
    open(false);
    void run(() => fetchModel(component, model, onChange).finally(onChange));
  };
  return (
    <>
      <Button label={`${text} ${model.name}`} disabled={disabled || isBusy} onClick={() => open(true)}>
        {isBusy ? "Downloading…" : text}
      </Button>
      {problem && <Notice look="bad">{problem}</Notice>}
      {isOpen && (
        <Dialog title={`${text} ${model.name}`} onClose={() => open(false)}>
          <p class="dialog-text">{model.description}.</p>
          <dl class="facts">
            <Fact name="Download" value={model.size_bytes === null ? "unknown size" : sizeText(model.size_bytes)} />
            {model.source && <Fact name="From" value={model.source} />}
            <Fact name="Licence of the weights" value={model.licence} />
          </dl>
          {model.licence_note && <p class="dialog-text quiet">{model.licence_note}</p>}
          {model.needs_consent && (
            <p class="dialog-text">
              Decide whether this server may use these weights. Your account and the time are recorded.
            </p>
          )}
          <div class="row">
            <Button label={model.needs_consent ? "Allow and download" : "Download"} look="primary" onClick={enable}>
              {model.needs_consent ? "Allow and download" : "Download"}
            </Button>
            <Button label="Cancel" onClick={() => open(false)}>
              Cancel
            </Button>
          </div>
        </Dialog>
      )}
    </>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Get the weights of a model, and wait until they are there. Throw the reason if they do not come. */
async function fetchModel(component: Component, model: ModelFacts, onBegun: () => unknown): Promise<void> {
  const params = { path: { component, name: model.name } };
  const body = { allow: model.needs_consent };
  let { weights, problem } = await dataOf(api.POST("/api/admin/models/{component}/{name}/fetch", { params, body }));
  if (weights === "fetching") onBegun();
  while (weights === "fetching") {
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
    const models = await dataOf(api.GET("/api/admin/models"));
    const found = models.find((each) => each.component === component && each.name === model.name);
    weights = found?.weights ?? "missing";
    problem = found?.problem ?? null;
  }
  if (weights === "failed") throw new Error(problem ?? "The download has failed.");
}
