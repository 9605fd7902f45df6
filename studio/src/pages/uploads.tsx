/** Uploads: by drag and drop (also of folders) or by the file dialog, with progress and cancel for each file. */

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { untilRetry } from "../api/connection.ts";
import { ApiError } from "../api/errors.ts";
import { newKey, uploadTrack } from "../api/upload.ts";
import { Button, ProgressBar } from "../ui/components.tsx";
import demoSong from "./demo.ogg?url";

interface Upload {
  readonly id: number;
  readonly file: File;
  /** Repeated uploads of the file create one track, also if the answer to one of them is lost. */
  readonly key: string;
  readonly abort: AbortController;
  /** 0 to 1. */
  readonly share: number;
  readonly problem: string;
  /** Whether the connection was lost, and the upload begins again when it is back. */
  readonly isWaiting: boolean;
}

const CONCURRENT = 2;
/** The uploads of this visit, also while another view is shown. */
const uploads = signal<readonly Upload[]>([]);
const queue: Upload[] = [];
let running = 0;
let lastId = 0;
let onUploaded = () => {};

function add(files: readonly File[]): void {
  const added = files.map((file) => ({
    id: ++lastId,
    file,
    key: newKey(),
    abort: new AbortController(),
    share: 0,
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
        () => {
          remove(upload);
          onUploaded();
        },
        (error: Error) => error.name !== "AbortError" && change(upload.id, { problem: error.message }),
      )
      .finally(() => {
        running--;
        next();
      });
  }
}

/** Upload a file. Begin again while the connection is lost. */
async function store(upload: Upload): Promise<void> {
  for (;;) {
    try {
      const onProgress = (share: number) => change(upload.id, { share, isWaiting: false });
      await uploadTrack(upload.file, upload.key, onProgress, upload.abort.signal);
      return;
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 0)) throw error;
      change(upload.id, { share: 0, isWaiting: true });
      await untilRetry(upload.abort.signal);
      if (upload.abort.signal.aborted) return;
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

export function Uploads(props: { onUploaded: () => void; isFirst: boolean }) {
  const input = useRef<HTMLInputElement>(null);
  const [isOver, setOver] = useState(false);
  const [isLoadingDemo, setLoadingDemo] = useState(false);
  useEffect(() => {
    onUploaded = props.onUploaded;
  }, [props.onUploaded]);
  useEffect(() => {
    const onDrag = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(event.type === "dragover");
      if (event.type === "drop") void filesOf(event.dataTransfer).then(add);
    };
    const types = ["dragover", "dragleave", "drop"] as const;
    for (const type of types) addEventListener(type, onDrag);
    return () => {
      for (const type of types) removeEventListener(type, onDrag);
    };
  }, []);
  const loadDemo = (address: string) => {
    setLoadingDemo(true);
    fetch(address)
      .then(async (response) => {
        if (response.ok) add([new File([await response.blob()], "Soundwright demo.ogg", { type: "audio/ogg" })]);
      })
      .finally(() => setLoadingDemo(false));
  };
  return (
    <section aria-label="Upload">
      <div class={`drop ${isOver ? "over" : ""}`}>
        <Button label="Choose files" look={props.isFirst ? "primary" : "plain"} onClick={() => input.current?.click()}>
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
        <p class="quiet">or drop recordings and folders anywhere on this page.</p>
        <Button label="Load the demo song" look="quiet" disabled={isLoadingDemo} onClick={() => loadDemo(demoSong)}>
          Load the demo song
        </Button>
      </div>
      {uploads.value.length > 0 && (
        <ul class="list" aria-label="Uploads">
          {uploads.value.map((upload) => (
            <li key={upload.id}>
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
          ))}
        </ul>
      )}
    </section>
  );
}

function stateOf(upload: Upload): string {
  if (upload.problem) return "";
  return upload.isWaiting ? "waiting for the connection" : `${Math.round(100 * upload.share)}%`;
}

/** Return all files that were dropped, with those in folders. */
async function filesOf(transfer: DataTransfer): Promise<File[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  return (await Promise.all(entries.map(filesIn))).flat();
}

async function filesIn(entry: FileSystemEntry): Promise<File[]> {
  if (entry instanceof FileSystemFileEntry) {
    return [await new Promise<File>((resolve, reject) => entry.file(resolve, reject))];
  }
  const files: File[] = [];
  if (!(entry instanceof FileSystemDirectoryEntry)) return files;
  const reader = entry.createReader();
  for (;;) {
    // A reader returns its entries in parts.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return files;
    files.push(...(await Promise.all(entries.map(filesIn))).flat());
  }
}
