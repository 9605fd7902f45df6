/** All jobs, page by page, newest first. Those that run are kept up to date. */

import { useCallback, useEffect, useRef } from "preact/hooks";
import { api, type Job, refusal } from "../../api/client.ts";
import { activeJobs, onJobFinished } from "../../api/jobs.ts";
import { askToNotify, JOB_NAMES, permission } from "../../api/notifications.ts";
import { useLoaded } from "../../api/requests.ts";
import { useKept } from "../../router.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { JobRow } from "./row.tsx";

const PAGE_SIZE = 20;
const STATUSES = ["queued", "processing", "completed", "failed", "cancelled"];

interface Listed {
  readonly jobs: readonly Job[];
  readonly pageCount: number;
  readonly totalCount: number;
}

export default function JobsPage() {
  const [type, setType] = useKept("type", "");
  const [status, setStatus] = useKept("status", "");
  const [page, setPage] = useKept("page", 1);
  const listing = useCallback(() => loadJobs(type, status, page), [type, status, page]);
  const { value: listed, problem, reload } = useLoaded(listing);
  const active = [...activeJobs.value.keys()].sort().join();
  const listedActive = useRef(active);
  useEffect(() => {
    if (listedActive.current !== active) void reload();
    listedActive.current = active;
  }, [active, reload]);
  useEffect(() => onJobFinished(reload), [reload]);
  const choose = (set: (value: string) => void) => (value: string) => {
    set(value);
    setPage(1);
  };
  return (
    <div class="page">
      <div class="row apart">
        <h1>Jobs</h1>
        <div class="row">
          <Choice label="Type" value={type} all="All types" names={JOB_NAMES} onChange={choose(setType)} />
          <Choice
            label="Status"
            value={status}
            all="Any status"
            names={Object.fromEntries(STATUSES.map((one) => [one, one]))}
            onChange={choose(setStatus)}
          />
          <Notifications />
        </div>
      </div>
      {problem && (
        <Notice look="bad" action={<Retry onClick={reload} />}>
          {problem}
        </Notice>
      )}
      {!listed && !problem && <p class="quiet">Loading…</p>}
      {listed && listed.jobs.length > 0 && (
        <ul class="panel list jobs" aria-label="Jobs">
          {listed.jobs.map((job) => (
            <JobRow key={job.id} job={activeJobs.value.get(job.id) ?? job} onRetried={reload} />
          ))}
        </ul>
      )}
      {listed?.jobs.length === 0 && (
        <p class="quiet">
          {type || status || page > 1
            ? "No job matches."
            : "No jobs yet. Separate or analyse a track to start one: its progress appears here."}
        </p>
      )}
      {listed && listed.pageCount > 1 && (
        <nav class="row" aria-label="Pages of the list">
          <Button label="Newer jobs" disabled={page <= 1} onClick={() => setPage(page - 1)}>
            Newer
          </Button>
          <span class="number quiet">
            {page} / {listed.pageCount}
          </span>
          <Button label="Older jobs" disabled={page >= listed.pageCount} onClick={() => setPage(page + 1)}>
            Older
          </Button>
          <span class="quiet">{listed.totalCount} jobs</span>
        </nav>
      )}
    </div>
  );
}

async function loadJobs(type: string, status: string, page: number): Promise<Listed> {
  const query = { type, status, page, page_size: PAGE_SIZE };
  const { data, error, response } = await api.GET("/api/jobs", { params: { query } });
  if (!data) throw refusal(response.status, error);
  return { jobs: data.data, pageCount: data.meta.total_pages, totalCount: data.meta.total_count };
}

interface ChoiceProps {
  label: string;
  value: string;
  /** The text of no choice. */
  all: string;
  names: Readonly<Record<string, string>>;
  onChange: (value: string) => void;
}

function Choice({ label, value, all, names, onChange }: ChoiceProps) {
  return (
    <select class="input" aria-label={label} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      <option value="">{all}</option>
      {Object.entries(names).map(([name, text]) => (
        <option key={name} value={name}>
          {text}
        </option>
      ))}
    </select>
  );
}

function Retry({ onClick }: { onClick: () => void }) {
  return (
    <Button label="Try again" onClick={onClick}>
      Try again
    </Button>
  );
}

function Notifications() {
  if (permission.value === "default")
    return (
      <Button label="Notify me when jobs end" onClick={() => void askToNotify()}>
        Notify me
      </Button>
    );
  if (permission.value === "granted") return <span class="quiet">Notifications are on</span>;
  return null;
}
