/** The inputs of a generation. */

import { useEffect, useId, useState } from "preact/hooks";
import { api, type GenerateBody } from "../../api/client.ts";
import { bodyOf } from "../../api/requests.ts";
import { Button } from "../../ui/components.tsx";

type Change = (changed: Partial<GenerateBody>) => void;

const MODELS = [
  ["music", "Music"],
  ["audio", "Sounds"],
  ["magnet-music", "Music, MAGNeT"],
  ["magnet-audio", "Sounds, MAGNeT"],
] as const;
const STATES: Readonly<Record<string, string>> = {
  pending: "loads when it is needed",
  loading: "is loading",
  error: "is not available",
};

export function Prompt({ body, onChange }: { body: GenerateBody; onChange: Change }) {
  const id = useId();
  const [problem, setProblem] = useState("");
  const suggest = () => {
    setProblem("");
    bodyOf(api.POST("/random-prompt", { body: { model: body.model ?? "music" } })).then(
      ({ prompt }) => onChange({ prompt }),
      (error: Error) => setProblem(error.message),
    );
  };
  return (
    <div class="prompt">
      <div class="row apart">
        <label for={id}>Prompt</label>
        <Button label="Suggest a prompt" look="quiet" onClick={suggest}>
          Suggest a prompt
        </Button>
      </div>
      <textarea
        id={id}
        class="input"
        rows={3}
        minLength={3}
        maxLength={500}
        required
        placeholder="Describe what you want to hear, for example: slow cello over vinyl crackle"
        value={body.prompt}
        onInput={(event) => onChange({ prompt: event.currentTarget.value })}
      />
      {problem && <p role="alert">{problem}</p>}
    </div>
  );
}

export function ModelChoice({ body, onChange }: { body: GenerateBody; onChange: Change }) {
  const id = useId();
  const [states, setStates] = useState<Readonly<Record<string, string>>>({});
  useEffect(() => {
    bodyOf(api.GET("/status")).then(
      ({ models }) => setStates(models),
      () => {}, // the choice works without
    );
  }, []);
  const state = STATES[states[body.model ?? "music"] ?? ""];
  return (
    <div class="form-field">
      <label for={id}>Model</label>
      <select
        id={id}
        class="input"
        value={body.model}
        onChange={(event) => {
          const model = MODELS.find(([key]) => key === event.currentTarget.value)?.[0];
          if (model) onChange({ model });
        }}
      >
        {MODELS.map(([key, name]) => (
          <option key={key} value={key}>
            {name}
          </option>
        ))}
      </select>
      {state && <span class="quiet hint">This model {state}.</span>}
    </div>
  );
}
