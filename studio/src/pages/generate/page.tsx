/** Generation: what to make, and what was made of it. */

import "./generate.css";
import { useEffect, useState } from "preact/hooks";
import { getClip } from "../../api/clips.ts";
import type { ApiError, Clip, GenerateBody } from "../../api/client.ts";
import { follow, generate, generations } from "../../api/generations.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { NumberField } from "../../ui/forms.tsx";
import { shortened } from "../../ui/texts.ts";
import { GenerationView } from "./generation.tsx";
import { ModelChoice, Prompt } from "./inputs.tsx";

const GONE = "The clip that you want to continue does not exist. Start a new one.";
const START: GenerateBody = { prompt: "", duration: 8, model: "music", loop: false, seed: -1, variations: 1 };

/** `id` is the clip to continue, if any. */
export default function GeneratePage({ id }: { id: string }) {
  const [body, setBody] = useState(START);
  const [source, setSource] = useState<Clip | null>(null);
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  useEffect(follow, []);
  useEffect(() => {
    if (!id) return;
    getClip(id).then(
      (clip) => {
        setSource(clip);
        const model = clip.model as NonNullable<GenerateBody["model"]>;
        setBody({ ...START, prompt: clip.prompt, model, continue_from: clip.id });
      },
      (error: ApiError) => setProblem(error.status === 404 ? GONE : error.message),
    );
  }, [id]);
  const change = (changed: Partial<GenerateBody>) => setBody((before) => ({ ...before, ...changed }));
  const submit = () => {
    setProblem("");
    setBusy(true);
    generate(body)
      .catch((error: Error) => setProblem(error.message))
      .finally(() => setBusy(false));
  };
  return (
    <div class="page">
      <h1>Generate</h1>
      <form
        class="panel generate"
        aria-label="What to generate"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        {source && (
          <Notice action={<a href="/studio/generate">Start a new clip</a>}>
            The new clip begins with “{shortened(source.prompt)}” and goes on from there.
          </Notice>
        )}
        <Prompt body={body} onChange={change} />
        <div class="generate-options">
          <ModelChoice body={body} onChange={change} />
          <NumberField
            label={source ? "Seconds to add" : "Length in seconds"}
            value={body.duration ?? 8}
            min={1}
            max={120}
            onInput={(duration) => change({ duration })}
          />
          <NumberField
            label="Variations"
            value={body.variations ?? 1}
            min={1}
            max={3}
            onInput={(variations) => change({ variations })}
          />
          <Seed body={body} onChange={change} />
          <label class="check">
            <input
              type="checkbox"
              checked={body.loop}
              onChange={(event) => change({ loop: event.currentTarget.checked })}
            />
            Seamless loop
          </label>
        </div>
        {problem && <Notice look="bad">{problem}</Notice>}
        <div class="row">
          <button type="submit" class="button primary" disabled={isBusy || body.prompt.trim().length < 3}>
            {isBusy ? "Sending…" : "Generate"}
          </button>
        </div>
      </form>
      <Made />
    </div>
  );
}

function Seed({ body, onChange }: { body: GenerateBody; onChange: (changed: Partial<GenerateBody>) => void }) {
  const isRandom = (body.seed ?? -1) < 0;
  return (
    <div class="seed">
      <NumberField
        label="Seed"
        value={isRandom ? null : (body.seed ?? null)}
        min={0}
        max={Number.MAX_SAFE_INTEGER}
        placeholder="random"
        onInput={(seed) => onChange({ seed })}
        onClear={() => onChange({ seed: -1 })}
      />
      {!isRandom && (
        <Button label="Use a random seed" icon="close" look="quiet" onClick={() => onChange({ seed: -1 })} />
      )}
    </div>
  );
}

function Made() {
  const made = generations.value;
  if (made.length === 0) {
    return (
      <p class="quiet">
        What you generate appears here, and in the <a href="/studio/clips">library of clips</a>.
      </p>
    );
  }
  return (
    <>
      {made.map((generation) => (
        <GenerationView key={generation.variations[0]?.id} generation={generation} />
      ))}
    </>
  );
}
