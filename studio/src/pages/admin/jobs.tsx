import { useCallback, useState } from "preact/hooks";
import { api, type OwnedJob } from "../../api/client.ts";
import { isActive } from "../../api/jobs.ts";
import { bodyOf, useAction, useInterval, useLoaded } from "../../api/requests.ts";
import { JobBadge } from "../../ui/components.tsx";
import { Choice, Confirm, Field, Pager, Section, Table, Time } from "../../ui/forms.tsx";

const STATUSES = ["queued", "processing", "completed", "failed", "cancelled"];
const REFRESH_SECONDS = 5;

/** The jobs of all users. */
export function AllJobs() {
  const [type, setType] = useState("");
  const [status, setStatus] = useState("");
  const [owner, setOwner] = useState("");
  const [page, setPage] = useState(1);
  const load = useCallback(() => {
    const query = { page, page_size: 25, job_type: type, status, owner_id: owner.trim() };
    return bodyOf(api.GET("/api/admin/jobs", { params: { query } }));
  }, [type, status, owner, page]);
  const { value: listed, problem, reload } = useLoaded(load);
  useInterval(reload, REFRESH_SECONDS);
  const action = useAction();
  const filter = (change: () => void) => {
    change();
    setPage(1);
  };
  const cancel = (job: OwnedJob) =>
    void action.run(async () => {
      await bodyOf(api.DELETE("/api/admin/jobs/{job_id}", { params: { path: { job_id: job.id } } }));
      await reload();
    });
  const counts = listed?.data.counts ?? {};
  const types = Object.keys(counts).map((name) => [name, name.replaceAll("_", " ")] as const);
  return (
    <Section title="Jobs" problem={problem || action.problem} isLoading={!listed}>
      <Counts counts={counts} />
      <div class="form">
        <Choice
          label="Type"
          value={type}
          options={[["", "all"], ...types]}
          onInput={(word) => filter(() => setType(word))}
        />
        <Choice
          label="Status"
          value={status}
          options={[["", "all"] as const, ...STATUSES.map((word) => [word, word] as const)]}
          onInput={(word) => filter(() => setStatus(word))}
        />
        <Field label="ID of the owner" type="search" value={owner} onInput={(text) => filter(() => setOwner(text))} />
      </div>
      {listed && listed.data.jobs.length > 0 && (
        <Table label="Jobs" columns={["Type", "Status", "Owner", "Created", "Progress or error", "Cancel"]}>
          {listed.data.jobs.map((job) => (
            <Row key={job.id} job={job} onCancel={() => cancel(job)} />
          ))}
        </Table>
      )}
      {listed?.data.jobs.length === 0 && <p class="quiet">No job matches.</p>}
      <Pager meta={listed?.meta} onPage={setPage} what="jobs" />
    </Section>
  );
}

function Counts({ counts }: { counts: Readonly<Record<string, Readonly<Record<string, number>>>> }) {
  const sums = STATUSES.map((status) => {
    return [status, Object.values(counts).reduce((sum, states) => sum + (states[status] ?? 0), 0)] as const;
  });
  return (
    <dl class="facts">
      {sums.map(([status, count]) => (
        <div key={status}>
          <dt>{status}</dt>
          <dd class="number">{count}</dd>
        </div>
      ))}
    </dl>
  );
}

function Row({ job, onCancel }: { job: OwnedJob; onCancel: () => void }) {
  const name = job.job_type.replaceAll("_", " ");
  const said = job.error ?? job.message ?? `${job.progress}%`;
  return (
    <tr>
      <td>{name}</td>
      <td>
        <JobBadge job={job} />
      </td>
      <td class="name number" title={job.owner_id}>
        {job.owner_id.slice(0, 13)}
      </td>
      <td>
        <Time at={job.created_at} />
      </td>
      <td class="name" title={said}>
        {said}
      </td>
      <td>
        {isActive(job) && (
          <Confirm
            label={`Cancel the job ${job.id.slice(0, 8)} (${name})`}
            text="Cancel the job"
            question="The job ends without a result. The audit log records this."
            onConfirm={onCancel}
            disabled={job.cancel_requested}
          />
        )}
      </td>
    </tr>
  );
}
