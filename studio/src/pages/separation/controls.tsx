/** What a separation runs: Fast, Balanced or Best, what each of them means for the tracks, and more behind "Advanced". */

import "./separation.css";
import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useId } from "preact/hooks";
import { api, dataOf, type SeparationModel, type SeparationPlan } from "../../api/client.ts";
import { followJob, onJobFinished } from "../../api/jobs.ts";
import { useLoaded } from "../../api/requests.ts";
import { isAdministrator } from "../../api/session.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { spanText } from "../../ui/durations.ts";
import { sizeText } from "../../ui/texts.ts";
import { Because } from "./because.tsx";
import { EnableModel, type ModelFacts } from "./enable-model.tsx";
import { choicesOf, QUALITIES, type Quality } from "./qualities.ts";
import { stemsOf } from "./stems.ts";

export interface SeparationSettings {
  readonly quality: Quality;
  /** `auto`, or a model, for which the quality does not count. */
  readonly model: string;
  /** Empty: all. */
  readonly stem: string;
}

export const DEFAULT_SETTINGS: SeparationSettings = { quality: "balanced", model: "auto", stem: "" };

/** Return the parameters of a separation. */
export function parametersOf({ quality, model, stem }: SeparationSettings) {
  return { model, quality: model === "auto" ? quality : "", stems: stem ? [stem] : [] };
}

/** Start a separation of a track, and follow it. */
export async function separate(trackId: string, settings = DEFAULT_SETTINGS): Promise<void> {
  const body = { track_id: trackId, ...parametersOf(settings) };
  const { job_id } = await dataOf(api.POST("/api/processing/separate", { body: body as never }));
  await followJob(job_id);
}

type Plans = readonly SeparationPlan[];

function loadPlans(trackIds: readonly string[], wanted: object): Promise<Plans> {
  return dataOf(api.POST("/api/processing/plan", { body: { track_ids: trackIds, ...wanted } as never }));
}

let pendingModels: Promise<readonly SeparationModel[]> | null = null;

/** Return the models, which are the same for all tracks. */
function loadModels(): Promise<readonly SeparationModel[]> {
  pendingModels ??= dataOf(api.GET("/api/processing/models")).then(
    ({ models }) => models,
    (error: unknown) => {
      pendingModels = null;
      throw error;
    },
  );
  return pendingModels;
}

interface Props {
  /** The tracks that have audio. */
  trackIds: readonly string[];
  settings: SeparationSettings;
  onChange: (settings: SeparationSettings) => void;
  /** The buttons. They keep their place while the controls load. */
  children: ComponentChildren;
}

export function SeparationControls({ trackIds, settings, onChange, children }: Props) {
  const ids = trackIds.join(" ");
  const { model, stem } = settings;
  const group = useId();
  const {
    value: models,
    problem: modelsProblem,
    reload: reloadModels,
  } = useLoaded<readonly SeparationModel[]>(loadModels);
  const load = useCallback(async () => {
    if (!ids) return null;
    const trackIds = ids.split(" ");
    const [found, named] = await Promise.all([
      loadPlans(trackIds, { ...parametersOf({ ...DEFAULT_SETTINGS, stem }), qualities: QUALITIES }),
      model === "auto" ? null : loadPlans(trackIds, parametersOf({ ...DEFAULT_SETTINGS, stem, model })),
    ]);
    const plans = (wanted: Quality) => found.filter(({ quality }) => quality === wanted);
    return { fast: plans("fast"), balanced: plans("balanced"), best: plans("best"), named };
  }, [ids, model, stem]);
  const { value: all, problem, reload } = useLoaded(load);
  // A model that has run is measured.
  useEffect(() => onJobFinished((job) => job.job_type === "processing" && void reload()), [reload]);
  const isLoading = ids !== "" && !all && !problem;
  const choices = choicesOf(all);
  const hasChoice = choices.length > 1;
  const chosen = all && (model === "auto" ? all[settings.quality] : all.named);
  const reloadAll = () => {
    pendingModels = null;
    return Promise.all([reload(), reloadModels()]);
  };
  return (
    <div class="separation-settings">
      {isLoading || !hasChoice ? (
        <p class="quality">
          <strong>{isLoading ? "\u00a0" : `${choices[0]?.name} are the same on this server`}</strong>
          <span class="quiet">{all ? planText(all.best) : "\u00a0"}</span>
        </p>
      ) : (
        <fieldset class="qualities">
          <legend class="hidden">Quality</legend>
          {choices.map(({ name, qualities, quality }) => (
            <label key={name} class="quality">
              <input
                type="radio"
                name={group}
                checked={model === "auto" && qualities.includes(settings.quality)}
                onChange={() => onChange({ ...settings, quality, model: "auto" })}
              />
              <strong>{name}</strong>
              <span class="quiet">{all ? planText(all[quality]) : "\u00a0"}</span>
            </label>
          ))}
        </fieldset>
      )}
      {isLoading && <p class="chosen">{"\u00a0"}</p>}
      {chosen && <Chosen plans={chosen} />}
      {(problem || modelsProblem) && (
        <Notice
          look="bad"
          action={
            <Button label="Try again" onClick={() => void reloadAll()}>
              Try again
            </Button>
          }
        >
          {problem || modelsProblem}
        </Notice>
      )}
      <Advanced models={models ?? []} settings={settings} onChange={onChange} onEnabled={reloadAll} />
      {children}
      {chosen && models && <Better plans={chosen} models={models} onEnabled={reloadAll} />}
    </div>
  );
}

/** Return the models of plans, and how long they compute together. */
function planText(plans: Plans): string {
  const seconds = plans.reduce<number | null>(
    (sum, plan) => (sum === null || plan.estimated_seconds === null ? null : sum + plan.estimated_seconds),
    0,
  );
  return [modelsOf(plans), seconds === null ? null : spanText(seconds)].filter(Boolean).join(" · ");
}

function modelsOf(plans: Plans): string {
  return [...new Set(plans.map((plan) => plan.model))].join(", ");
}

/** How good the chosen models are, and why they run. */
function Chosen({ plans }: { plans: Plans }) {
  const [first] = plans;
  const isOne = new Set(plans.map((plan) => plan.model)).size === 1;
  const isMeasured = plans.every((plan) => plan.measured);
  const gain = isOne ? first?.gain_db : null;
  return (
    <p class="quiet chosen">
      <span>
        The {isOne ? "model" : "models"} {modelsOf(plans)} will run.
        {gain != null && ` On real songs, its stems are ${gain.toFixed(1)} dB better than the mix.`}
        {isOne && gain == null && " Its quality was not measured."}
        {!isMeasured && " The time is a guess, because it has not run since the server started."}
      </span>
      {first?.degraded_reason ? (
        <Because reason={first.degraded_reason} details={first.degraded_details} />
      ) : (
        isOne && first?.model_reason && <Because reason="" details={first.model_reason} />
      )}
    </p>
  );
}

interface BetterProps {
  plans: Plans;
  models: readonly SeparationModel[];
  onEnabled: () => unknown;
}

/** Offers administrators the model that would be better. Tells others that there is one. */
function Better({ plans, models, onEnabled }: BetterProps) {
  const name = plans.find((plan) => plan.better_model)?.better_model;
  const model = models.find((each) => each.name === name);
  if (!model) return null;
  const facts = factsOf(model);
  const words = [facts.size_bytes && sizeText(facts.size_bytes), `licence: ${facts.licence}`]
    .filter(Boolean)
    .join(", ");
  return (
    <Notice action={isAdministrator && <EnableModel component="separation" model={facts} onChange={onEnabled} />}>
      Better quality: {model.name} ({words}).{!isAdministrator && " An administrator can enable it."}
    </Notice>
  );
}

interface AdvancedProps {
  models: readonly SeparationModel[];
  settings: SeparationSettings;
  onChange: (settings: SeparationSettings) => void;
  onEnabled: () => unknown;
}

function Advanced({ models, settings, onChange, onEnabled }: AdvancedProps) {
  const stems = stemsOf(models, settings.model);
  const change = (changed: Partial<SeparationSettings>) => {
    const next = { ...settings, ...changed };
    onChange(stemsOf(models, next.model).includes(next.stem) ? next : { ...next, stem: "" });
  };
  const missing = models.filter(({ available }) => !available);
  return (
    <details>
      <summary>Advanced</summary>
      <div class="advanced">
        <div class="row">
          <label class="field">
            Model
            <select
              class="input"
              value={settings.model}
              onChange={(event) => change({ model: event.currentTarget.value })}
            >
              <option value="auto">Automatic</option>
              {models.map((model) => (
                <option key={model.name} value={model.name} disabled={!model.available}>
                  {model.name} ({model.stems} stems{model.available ? "" : ", not available"})
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            Stems
            <select
              class="input"
              value={settings.stem}
              onChange={(event) => change({ stem: event.currentTarget.value })}
            >
              <option value="">All</option>
              {stems.map((name) => (
                <option key={name} value={name}>
                  Only {name} and accompaniment
                </option>
              ))}
            </select>
          </label>
        </div>
        {isAdministrator && missing.length > 0 && (
          <ul class="missing" aria-label="Not available">
            {missing.map((model) => (
              <li key={model.name}>
                <span>
                  <strong>{model.name}</strong> <span class="quiet">{model.description}</span>
                </span>
                <EnableModel component="separation" model={factsOf(model)} onChange={onEnabled} />
              </li>
            ))}
          </ul>
        )}
      </div>
    </details>
  );
}

function factsOf(model: SeparationModel): ModelFacts {
  return { ...model, licence: model.weights_licence ?? model.code_licence };
}
