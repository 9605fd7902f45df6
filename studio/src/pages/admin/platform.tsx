import { api, dataOf } from "../../api/client.ts";
import { useInterval, useLoaded } from "../../api/requests.ts";
import { ProgressBar } from "../../ui/components.tsx";
import { Section, Table } from "../../ui/forms.tsx";
import { durationText, sizeText } from "../../ui/texts.ts";

const REFRESH_SECONDS = 5;
const loadComponents = () => dataOf(api.GET("/api/admin/components"));
const loadQueues = () => dataOf(api.GET("/api/admin/queues"));
const loadStorage = () => dataOf(api.GET("/api/admin/storage"));

/** Components, queues and storage. */
export function Platform() {
  return (
    <>
      <Components />
      <Queues />
      <Storage />
    </>
  );
}

function Components() {
  const { value: platform, problem, reload } = useLoaded(loadComponents);
  useInterval(reload, REFRESH_SECONDS);
  return (
    <Section title="Components" problem={problem} isLoading={!platform}>
      {platform && (
        <>
          <ul class="row" aria-label="Components">
            {platform.components.map(({ name, ready }) => (
              <li key={name} class={`badge ${ready ? "good" : "bad"}`}>
                {name}: {ready ? "ready" : "not ready"}
              </li>
            ))}
          </ul>
          <p class="quiet">
            Version {platform.version}. The logs and the metrics of a component say why it is not ready.
          </p>
        </>
      )}
    </Section>
  );
}

function Queues() {
  const { value: queues, problem, reload } = useLoaded(loadQueues);
  useInterval(reload, REFRESH_SECONDS);
  return (
    <Section title="Queues" problem={problem} isLoading={!queues}>
      {queues?.length === 0 && <p class="quiet">No job waits.</p>}
      {queues && queues.length > 0 && (
        <Table label="Queues" columns={["Type", "Priority", "Queued", "The oldest waits"]}>
          {queues.map((queue) => (
            <tr key={`${queue.job_type} ${queue.priority}`}>
              <td>{queue.job_type.replaceAll("_", " ")}</td>
              <td>{queue.priority}</td>
              <td class="number">{queue.queued}</td>
              <td class="number">{durationText(queue.oldest_age_seconds)}</td>
            </tr>
          ))}
        </Table>
      )}
    </Section>
  );
}

function Storage() {
  const { value: storage, problem, reload } = useLoaded(loadStorage);
  const { free_bytes: free, total_bytes: total } = storage ?? {};
  return (
    <Section title="Storage" problem={problem} onRetry={reload} isLoading={!storage}>
      {storage && (
        <p>
          {sizeText(storage.used_bytes)} are used by tracks, stems, exports and clips.{" "}
          {free != null && total != null
            ? `${sizeText(free)} of ${sizeText(total)} on the disk are free.`
            : "The file store does not tell its free space."}
        </p>
      )}
      {free != null && total != null && total > 0 && (
        <ProgressBar label="Disk in use" percent={(100 * (total - free)) / total} />
      )}
      {storage && (
        <p class="quiet">
          Files that no record names are deleted every six hours.{" "}
          <code>python -m soundwright.services.library orphans</code> lists them.
        </p>
      )}
    </Section>
  );
}
