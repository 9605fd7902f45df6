/** All jobs, newest first. Those that run are kept up to date. */

import { useCallback, useEffect, useState } from "preact/hooks";
import { api, dataOf, type Job } from "../api/client.ts";
import { activeJobs, cancelJob, isActive, onJobFinished } from "../api/jobs.ts";
import { Button, JobBadge, Notice, ProgressBar } from "../ui/components.tsx";

export default function JobsPage() {
  const [jobs, setJobs] = useState<readonly Job[] | null>(null);
  const [problem, setProblem] = useState("");
  const load = useCallback(() => {
    dataOf(api.GET("/api/jobs", { params: { query: { page_size: 50 } } })).then(setJobs, (error: Error) =>
      setProblem(error.message),
    );
  }, []);
  const active = [...activeJobs.value.keys()].join();
  useEffect(load, [load, active]);
  useEffect(() => onJobFinished(load), [load]);
  return (
    <div class="page">
      <h1>Jobs</h1>
      {problem && <Notice look="bad">{problem}</Notice>}
      {jobs && jobs.length > 0 && (
        <ul class="panel list" aria-label="Jobs">
          {jobs.map((job) => (
            <JobRow key={job.id} job={activeJobs.value.get(job.id) ?? job} />
          ))}
        </ul>
      )}
      {jobs?.length === 0 && <p class="quiet">No jobs yet. Separate or analyse a track to start one.</p>}
    </div>
  );
}

function JobRow({ job }: { job: Job }) {
  const name = job.job_type.replaceAll("_", " ");
  return (
    <li>
      <div class="title">
        {job.track_id ? <a href={`/studio/tracks/${job.track_id}`}>{name}</a> : name}
        <span class="quiet"> {job.created_at && new Date(job.created_at).toLocaleString()}</span>
      </div>
      <JobBadge job={job} />
      {isActive(job) ? (
        <Button label={`Cancel the ${name}`} disabled={job.cancel_requested} onClick={() => void cancelJob(job.id)}>
          Cancel
        </Button>
      ) : (
        <span />
      )}
      {isActive(job) && (
        <div class="wide">
          <ProgressBar label={`Progress of the ${name}`} percent={job.progress} />
          <span class="quiet">
            {job.message ?? job.status} <span class="number">{job.progress}%</span>
          </span>
        </div>
      )}
      {job.error && job.error !== "cancelled" && <p class="wide">{job.error}</p>}
    </li>
  );
}
