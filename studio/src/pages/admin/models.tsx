import { api, type PlatformModel } from "../../api/client.ts";
import { bodyOf, useInterval, useLoaded } from "../../api/requests.ts";
import { ProgressBar } from "../../ui/components.tsx";
import { Section, Table } from "../../ui/forms.tsx";
import { sizeText } from "../../ui/texts.ts";
import { EnableModel } from "../separation/enable-model.tsx";

const FETCHING_SECONDS = 2;
const LOOKS = {
  built_in: "good",
  present: "good",
  missing: "",
  fetching: "active",
  failed: "bad",
  not_installed: "bad",
} as const;
const load = () => bodyOf(api.GET("/api/admin/models"));

/** Models: licences, sizes, and whether their weights are on the server. */
export function Models() {
  const { value: listed, problem, reload } = useLoaded(load);
  useInterval(reload, FETCHING_SECONDS, listed?.data.some(({ weights }) => weights === "fetching") ?? false);
  return (
    <Section title="Models" problem={problem} isLoading={!listed}>
      {listed?.meta.unavailable.map((name) => (
        <p key={name} role="status">
          The component {name} does not answer. Its models are missing in this list.
        </p>
      ))}
      {listed && (
        <Table label="Models" columns={["Model", "For", "Engine", "Licence", "Download", "Weights", "Fetch"]}>
          {listed.data.map((model) => (
            <Row key={`${model.component} ${model.name}`} model={model} onChange={reload} />
          ))}
        </Table>
      )}
    </Section>
  );
}

function Row({ model, onChange }: { model: PlatformModel; onChange: () => unknown }) {
  const percent = fetchedPercent(model);
  const canRun = model.weights !== "not_installed";
  const canFetch = canRun && (model.needs_consent || model.weights === "missing" || model.weights === "failed");
  return (
    <>
      <tr>
        <td title={model.description}>{model.name}</td>
        <td>{model.component}</td>
        <td>{model.engine}</td>
        <td class="name" title={model.licence}>
          {model.licence}
        </td>
        <td class="number">{downloadText(model)}</td>
        <td>
          <span class={`badge ${LOOKS[model.weights]}`}>
            {model.weights.replace("_", " ")}
            {percent !== null && ` ${percent}%`}
          </span>
          {percent !== null && <ProgressBar label={`Download of ${model.name}`} percent={percent} />}
        </td>
        <td>{canFetch && <EnableModel component={model.component} model={model} onChange={onChange} />}</td>
      </tr>
      {model.problem && (!canFetch || model.weights === "failed") && (
        <tr>
          <td colSpan={7} class="wrap">
            {model.problem}
          </td>
        </tr>
      )}
    </>
  );
}

/** Return how much of a download is done; null if no download is underway, or its size is unknown. */
function fetchedPercent({ fetched_bytes, size_bytes }: PlatformModel): number | null {
  if (fetched_bytes === null || !size_bytes) return null;
  return Math.min(100, Math.floor((100 * fetched_bytes) / size_bytes));
}

function downloadText({ size_bytes, weights }: PlatformModel): string {
  if (weights === "built_in") return "none";
  return size_bytes === null ? "unknown" : sizeText(size_bytes);
}
