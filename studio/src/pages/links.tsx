/** A pasted link: what it contains, and the download of its recordings. */

import "./links.css";
import { useState } from "preact/hooks";
import { api, dataOf } from "../api/client.ts";
import { followJob } from "../api/jobs.ts";
import { useAction } from "../api/requests.ts";
import type { components } from "../api/schema.d.ts";
import { Button, Notice } from "../ui/components.tsx";
import { timeText } from "../waveform/view.ts";

type Preview = components["schemas"]["LinkPreview"];
type Entry = components["schemas"]["LinkEntry"];

const SHOWN_LIMIT = 50;

export function Links({ onStarted }: { onStarted: () => void }) {
  const [url, setUrl] = useState("");
  const [found, setFound] = useState<{ url: string; preview: Preview } | null>(null);
  const action = useAction();
  const [done, setDone] = useState("");
  const run = (work: () => Promise<void>) => {
    setDone("");
    void action.run(work);
  };
  const look = () =>
    run(async () => {
      setFound(null);
      const text = url.trim();
      const body = { url: /^\w+:/.test(text) ? text : `https://${text}` };
      setFound({ url: body.url, preview: await dataOf(api.POST("/api/download/preview", { body })) });
    });
  const download = (urls: readonly string[]) =>
    run(async () => {
      let count = 0;
      for (const each of urls) {
        const started = await dataOf(
          api.POST("/api/download/track", { body: { url: each, track_id: "", quality: "" } }),
        );
        count += started.jobs.length;
        onStarted();
        await Promise.all(started.jobs.slice(0, SHOWN_LIMIT).map((job) => followJob(job.job_id)));
      }
      setDone(count === 1 ? "The download has started." : `${count} downloads have started.`);
      if (urls.length > 1 || found?.preview.entry_count === 1 || found?.url === urls[0]) {
        setFound(null);
        setUrl("");
      }
    });
  return (
    <section aria-label="Links">
      <form
        class="row link-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (url.trim()) look();
        }}
      >
        <label class="field grow">
          Link
          <input
            class="input grow"
            inputMode="url"
            placeholder="https://"
            required
            maxLength={2000}
            value={url}
            onInput={(event) => setUrl(event.currentTarget.value)}
          />
        </label>
        <button class="button" disabled={action.isBusy}>
          {action.isBusy ? "Please wait" : "Show recordings"}
        </button>
      </form>
      {action.isBusy && !found && <p role="status">Reading the link. This can take a minute.</p>}
      {action.problem && <Notice look="bad">{action.problem}</Notice>}
      {done && <Notice action={<a href="/studio/jobs">Jobs</a>}>{done}</Notice>}
      {found && <Contents found={found} isBusy={action.isBusy} onDownload={download} onClose={() => setFound(null)} />}
    </section>
  );
}

interface ContentsProps {
  readonly found: { url: string; preview: Preview };
  readonly isBusy: boolean;
  readonly onDownload: (urls: readonly string[]) => void;
  readonly onClose: () => void;
}

function Contents({ found: { url, preview }, isBusy, onDownload, onClose }: ContentsProps) {
  const usable = preview.entries.filter((entry) => !entry.problem);
  const isSpotify = preview.type !== "link";
  const all = isSpotify ? [url] : usable.map((entry) => entry.url);
  const [only] = preview.entries.length === 1 ? preview.entries : [];
  const isPlain = only && !only.problem && !only.track_id;
  const count = isSpotify ? preview.entry_count : usable.length;
  return (
    <div class="panel link-contents">
      <div class="row apart">
        <div>
          <h2>{preview.name || preview.entries[0]?.title || "Nothing to download"}</h2>
          <p class="quiet">{summaryOf(preview)}</p>
        </div>
        <div class="row">
          {count > 0 && (
            <Button label="Download" look="primary" disabled={isBusy} onClick={() => onDownload(all)}>
              {count === 1 ? "Download" : `Download all ${count}`}
            </Button>
          )}
          <Button label="Close the link" icon="close" look="quiet" onClick={onClose} />
        </div>
      </div>
      {preview.entries.length > 0 && !isPlain && (
        <ul class="list" aria-label="Recordings of the link">
          {preview.entries.map((entry, index) => (
            <EntryRow key={index} entry={entry} isBusy={isBusy} isOnly={count === 1} onDownload={onDownload} />
          ))}
        </ul>
      )}
    </div>
  );
}

function EntryRow(props: {
  entry: Entry;
  isBusy: boolean;
  isOnly: boolean;
  onDownload: (urls: readonly string[]) => void;
}) {
  const { entry } = props;
  return (
    <li>
      <div class="title">
        {entry.title}
        <span class="quiet"> {entry.artist}</span>
      </div>
      <span class="number quiet">{entry.duration_seconds ? timeText(entry.duration_seconds) : ""}</span>
      {entry.track_id ? (
        <a href={`/studio/tracks/${entry.track_id}`}>In your library</a>
      ) : props.isOnly || entry.problem ? (
        <span />
      ) : (
        <Button
          label={`Download ${entry.title}`}
          look="quiet"
          disabled={props.isBusy}
          onClick={() => props.onDownload([entry.url])}
        >
          Download
        </Button>
      )}
      {entry.problem && <p class="wide">{entry.problem}</p>}
    </li>
  );
}

function summaryOf(preview: Preview): string {
  const recordings = preview.entry_count === 1 ? "1 recording" : `${preview.entry_count} recordings`;
  const known = preview.entries.length === preview.entry_count && !preview.truncated;
  const seconds = preview.entries.reduce((sum, entry) => sum + (entry.duration_seconds ?? 0), 0);
  return [
    preview.entries.length === 1 ? preview.entries[0]?.artist : "",
    preview.type === "link" ? "" : `Spotify ${preview.type}`,
    preview.truncated ? `more than ${recordings}` : recordings,
    known && seconds > 0 ? timeText(seconds) : "",
    preview.entry_count > preview.entries.length ? `the first ${preview.entries.length} are shown` : "",
  ]
    .filter(Boolean)
    .join(" · ");
}
