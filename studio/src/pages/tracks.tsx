/** The start page: all tracks, and uploads. */

import { useCallback, useEffect, useState } from "preact/hooks";
import { api, dataOf, type Track } from "../api/client.ts";
import { onJobFinished } from "../api/jobs.ts";
import { useLoaded } from "../api/requests.ts";
import { Button, Notice } from "../ui/components.tsx";
import { timeText } from "../waveform/view.ts";
import { BatchControls } from "./batch.tsx";
import { Links } from "./links.tsx";
import { onUploaded, UploadPanel } from "./uploads.tsx";

const PAGE_SIZE = 50;
const SEARCH_MILLISECONDS = 250;

export default function TracksPage() {
  const [search, setSearch] = useState("");
  const [sought, setSought] = useState("");
  const [count, setCount] = useState(PAGE_SIZE);
  const listing = useCallback(() => {
    const query = { page_size: Math.min(100, count), q: sought };
    return dataOf(api.GET("/api/tracks", { params: { query } }));
  }, [sought, count]);
  const { value: tracks, problem, reload: load } = useLoaded<readonly Track[]>(listing);
  useEffect(() => {
    const timer = setTimeout(() => setSought(search), search ? SEARCH_MILLISECONDS : 0);
    return () => clearTimeout(timer);
  }, [search]);
  useEffect(() => onJobFinished(load), [load]);
  useEffect(() => onUploaded(load), [load]);
  const [selected, select] = useState<ReadonlySet<string>>(new Set());
  const toggle = (trackId: string) => {
    const changed = new Set(selected);
    if (!changed.delete(trackId)) changed.add(trackId);
    select(changed);
  };
  return (
    <div class="page">
      <div class="row apart">
        <h1>Tracks</h1>
        <label class="field">
          Search
          <input class="input" type="search" value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
        </label>
      </div>
      <Links onStarted={load} />
      <UploadPanel isFirst={tracks?.length === 0 && !search} />
      {problem && <Notice look="bad">{problem}</Notice>}
      <BatchControls selected={selected} onClear={() => select(new Set())} />
      {tracks && tracks.length > 0 && (
        <ul class="panel list" aria-label="Tracks">
          {tracks.map((track) => (
            <TrackRow
              key={track.id}
              track={track}
              isSelected={selected.has(track.id)}
              onToggle={() => toggle(track.id)}
            />
          ))}
        </ul>
      )}
      {tracks?.length === 0 && <p class="quiet">{search ? "No track matches the search." : "No tracks yet."}</p>}
      {tracks && tracks.length >= count && (
        <Button label="More tracks" onClick={() => setCount(count + PAGE_SIZE)} disabled={count >= 100}>
          More tracks
        </Button>
      )}
    </div>
  );
}

interface TrackRowProps {
  track: Track;
  isSelected: boolean;
  onToggle: () => void;
}

function TrackRow({ track, isSelected, onToggle }: TrackRowProps) {
  const facts = [track.bpm && `${track.bpm.toFixed(0)} bpm`, track.key].filter(Boolean).join(" · ");
  return (
    <li>
      <div class="title">
        <input
          type="checkbox"
          aria-label={`Select ${track.title}`}
          checked={isSelected}
          disabled={!track.file_path}
          onChange={onToggle}
        />{" "}
        <a href={`/studio/tracks/${track.id}`}>{track.title}</a>
        <span class="quiet"> {[track.artist, facts].filter(Boolean).join(" · ")}</span>
      </div>
      <div class="row">
        {track.stem_count > 0 && <span class="badge">{track.stem_count} stems</span>}
        {track.download_status !== "completed" && <span class="badge active">{track.download_status}</span>}
      </div>
      <span class="number quiet">{timeText(track.duration_seconds)}</span>
    </li>
  );
}
