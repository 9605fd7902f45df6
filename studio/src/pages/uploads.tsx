/** Uploads: by drag and drop on any page (also of folders) or by the file dialog, with progress and cancel for each file. */

import { signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Track } from "../api/client.ts";
import { untilConnected } from "../api/connection.ts";
import { ApiError, isAway } from "../api/errors.ts";
import { isPaused, newKey, untilAllowed, uploadTrack } from "../api/upload.ts";
import { path } from "../router.ts";
import { Button, Notice, ProgressBar } from "../ui/components.tsx";
import { spanText } from "../ui/durations.ts";

interface Upload {
  readonly id: number;
  readonly file: File;
  /** Repeated uploads of the file create one track, also if the answer to one of them is lost. */
  readonly key: string;
  readonly abort: AbortController;
  /** 0 to 1. */
  readonly share: number;
  /** When this attempt began; 0: it has not. */
  readonly startedAt: number;
  readonly problem: string;
  /** Whether the server is away, and the upload begins again when it is back. */
  readonly isWaiting: boolean;
}

const CONCURRENT = 2;
const SHOWN = 5;
/** The uploads of this visit, also while another view is shown. */
const uploads = signal<readonly Upload[]>([]);
const queue: Upload[] = [];
let running = 0;
let lastId = 0;
/** The latest track that was uploaded while no page listed it. */
const stored = signal<Track | null>(null);
const problem = signal("");
/** Whether files are dragged over the page. */
const isOver = signal(false);

type Uploaded = (track: Track) => void;
const listeners = new Set<Uploaded>();

/** Call `listener` for each uploaded track. Return a function that stops this. */
export function onUploaded(listener: Uploaded): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Upload files that are dropped anywhere, on every page. Without this, the browser would leave the page for the file. */
export function startDrops(): void {
  const onDrag = (event: DragEvent) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    isOver.value = event.type !== "drop" && (event.type !== "dragleave" || event.relatedTarget !== null);
    if (event.type !== "drop") return;
    problem.value = "";
    filesOf(event.dataTransfer).then(add, () => {
      problem.value = "What you dropped cannot be read. Choose the files instead.";
    });
  };
  for (const type of ["dragenter", "dragover", "dragleave", "drop"] as const) addEventListener(type, onDrag);
}

function add(files: readonly File[]): void {
  const added = files.map((file) => ({
    id: ++lastId,
    file,
    key: newKey(),
    abort: new AbortController(),
    share: 0,
    startedAt: 0,
    problem: "",
    isWaiting: false,
  }));
  uploads.value = [...uploads.value, ...added];
  queue.push(...added);
  next();
}

function next(): void {
  while (running < CONCURRENT) {
    const upload = queue.shift();
    if (!upload) return;
    if (upload.abort.signal.aborted) continue;
    running++;
    store(upload)
      .then(
        (track) => {
          remove(upload);
          if (!track) return;
          stored.value = track;
          for (const listener of listeners) listener(track);
        },
        (error: Error) => error.name !== "AbortError" && change(upload.id, { problem: error.message }),
      )
      .finally(() => {
        running--;
        next();
      });
  }
}

/** Upload a file. Begin again while the server is away. Return its track; null if the upload was cancelled. */
async function store(upload: Upload): Promise<Track | null> {
  for (;;) {
    await untilAllowed(upload.abort.signal);
    if (upload.abort.signal.aborted) return null;
    try {
      change(upload.id, { startedAt: performance.now() });
      const onProgress = (share: number) => change(upload.id, { share, isWaiting: false });
      return await uploadTrack(upload.file, upload.key, onProgress, upload.abort.signal);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 429 && isPaused()) {
        change(upload.id, { share: 0, startedAt: 0 });
        continue;
      }
      if (!isAway(error)) throw error;
      change(upload.id, { share: 0, isWaiting: true });
      await untilConnected(upload.abort.signal);
      if (upload.abort.signal.aborted) return null;
    }
  }
}

function change(id: number, changed: Partial<Upload>): void {
  uploads.value = uploads.value.map((upload) => (upload.id === id ? { ...upload, ...changed } : upload));
}

function remove(upload: Upload): void {
  upload.abort.abort();
  uploads.value = uploads.value.filter(({ id }) => id !== upload.id);
}

/** Where uploads begin. */
export function ChooseFiles({ isFirst = false }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <Button label="Choose files" look={isFirst ? "primary" : "plain"} onClick={() => input.current?.click()}>
        Choose files
      </Button>
      <input
        ref={input}
        class="hidden"
        type="file"
        multiple
        accept="audio/*,video/*"
        tabIndex={-1}
        aria-label="Files to upload"
        onChange={(event) => {
          add([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}

/** The uploads that run, on every page. */
export function Uploads() {
  const isListed = ["/", `/tracks/${stored.value?.id}`].includes(path.value);
  if (isOver.value) return <div class="drop-area">Drop files and folders to upload them</div>;
  if (uploads.value.length === 0 && !problem.value && (isListed || !stored.value)) return null;
  return (
    <section class="page uploads" aria-label="Uploads of this visit">
      {problem.value && (
        <Notice look="bad" action={<Close onClick={() => (problem.value = "")} />}>
          {problem.value}
        </Notice>
      )}
      {!isListed && stored.value && (
        <Notice action={<Close onClick={() => (stored.value = null)} />}>
          Uploaded: <a href={`/studio/tracks/${stored.value.id}`}>{stored.value.title}</a>
        </Notice>
      )}
      {uploads.value.length > 0 && (
        <ul class="panel list" aria-label="Uploads">
          {uploads.value.slice(0, SHOWN).map((upload) => (
            <UploadRow key={upload.id} upload={upload} />
          ))}
          {uploads.value.length > SHOWN && <li class="quiet">and {uploads.value.length - SHOWN} more</li>}
        </ul>
      )}
    </section>
  );
}

function Close({ onClick }: { onClick: () => void }) {
  return <Button label="Close" icon="close" look="quiet" onClick={onClick} />;
}

function UploadRow({ upload }: { upload: Upload }) {
  return (
    <li>
      <span class="title">{upload.file.name}</span>
      <span class="number quiet">{stateOf(upload)}</span>
      <Button
        label={upload.problem ? `Dismiss ${upload.file.name}` : `Cancel ${upload.file.name}`}
        icon="close"
        look="quiet"
        onClick={() => remove(upload)}
      />
      <div class="wide" role={upload.problem ? "alert" : undefined}>
        {upload.problem ? (
          <span class="badge bad">{upload.problem}</span>
        ) : (
          <ProgressBar label={`Upload of ${upload.file.name}`} percent={100 * upload.share} />
        )}
      </div>
    </li>
  );
}

function stateOf(upload: Upload): string {
  if (upload.problem) return "";
  if (upload.isWaiting) return "waiting for the connection";
  if (!upload.startedAt) return "waiting";
  if (upload.share === 1) return "the server reads the file";
  const seconds = (performance.now() - upload.startedAt) / 1000;
  const left =
    upload.share > 0 && seconds > 1 ? ` · ${spanText((seconds / upload.share) * (1 - upload.share))} left` : "";
  return `${Math.round(100 * upload.share)} %${left}`;
}

/** Return all files that were dropped, and those in folders that may be recordings. */
async function filesOf(transfer: DataTransfer): Promise<File[]> {
  const dropped = [...transfer.items].filter((item) => item.kind === "file");
  // The items are only there until the first wait.
  const found = dropped.map((item) => {
    const entry = item.webkitGetAsEntry();
    return entry ? filesIn(entry) : [item.getAsFile()].filter((file) => file !== null);
  });
  return (await Promise.all(found)).flat();
}

// Chromium has no global classes for entries, so flags tell them apart.
async function filesIn(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) {
    return [await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const files: File[] = [];
  for (;;) {
    // A reader returns its entries in parts.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return files.filter(mayBeRecording).sort(byName);
    files.push(...(await Promise.all(entries.map(filesIn))).flat());
  }
}

function byName(a: File, b: File): number {
  return a.name.localeCompare(b.name, undefined, { numeric: true });
}

/** Folders of albums also have covers, booklets and hidden files. */
function mayBeRecording({ name, type }: File): boolean {
  return !name.startsWith(".") && !/^(image|text)\/|\/pdf$/.test(type);
}
