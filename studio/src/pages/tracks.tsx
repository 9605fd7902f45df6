/** The start page: all tracks, and uploads. */

import { useCallback, useEffect, useState } from "preact/hooks";
import { api, type Track } from "../api/client.ts";
import { deleted, onEdited } from "../api/edits.ts";
import { jobsOf, onJobFinished } from "../api/jobs.ts";
import { isKept, kept } from "../api/offline.ts";
import { bodyOf, useAction, useLoaded } from "../api/requests.ts";
import { useKept } from "../router.ts";
import { Button, Cover, Notice } from "../ui/components.tsx";
import { Loading } from "../ui/forms.tsx";
import { timeText } from "../waveform/view.ts";
import { BatchControls } from "./batch.tsx";
import { Picture } from "./demo/picture.tsx";
import { Progress } from "./jobs/row.tsx";
import { Links } from "./links.tsx";
import { separate } from "./separation/controls.tsx";
import { ChooseFiles, onUploaded } from "./uploads.tsx";

const PAGE_SIZE = 100;
const SEARCH_MILLISECONDS = 250;

export default function TracksPage() {
  const [search, setSearch] = useKept("search", "");
  const [sought, setSought] = useState(search);
  const [pageCount, setPageCount] = useKept("pages", 1);
  const listing = useCallback(() => loadTracks(sought, pageCount), [sought, pageCount]);
  const { value: found, problem, reload: load } = useLoaded(listing);
  const listed = found?.tracks;
  // New tracks appear without a request, because a folder of songs would use up the rate limit.
  const [uploaded, setUploaded] = useState<readonly Track[]>([]);
  const isListed = (track: Track) => listed?.some(({ id }) => id === track.id);
  const tracks =
    listed &&
    [...(sought ? [] : uploaded.filter((track) => !isListed(track))), ...listed].filter(
      ({ id }) => !deleted.value.has(id),
    );
  useEffect(() => {
    const timer = setTimeout(() => setSought(search), search ? SEARCH_MILLISECONDS : 0);
    return () => clearTimeout(timer);
  }, [search]);
  useEffect(() => onJobFinished(load), [load]);
  useEffect(() => onUploaded((track) => setUploaded((before) => [track, ...before])), []);
  useEffect(() => onEdited(load), [load]);
  const [selected, select] = useState<ReadonlyMap<string, Track>>(new Map());
  const toggle = (track: Track) => {
    const changed = new Map(selected);
    if (!changed.delete(track.id)) changed.set(track.id, track);
    select(changed);
  };
  const areAllSelected = tracks?.every(({ id }) => selected.has(id)) ?? false;
  const latest = [...selected.values()].map((track) => tracks?.find(({ id }) => id === track.id) ?? track);
  const isEmpty = tracks?.length === 0 && !search && !sought;
  return (
    <div class="page">
      {!tracks && !problem ? <Loading /> : isEmpty ? <Welcome /> : <Heading search={search} onSearch={setSearch} />}
      {(tracks || problem) && <Links key="links" onStarted={load} />}
      {problem && <Notice look="bad">{problem}</Notice>}
      {problem && <KeptTracks />}
      <BatchControls selected={latest} onClear={() => select(new Map())} />
      {tracks && tracks.length > 1 && (
        <label class="row">
          <input
            type="checkbox"
            checked={areAllSelected}
            onChange={() => select(new Map(areAllSelected ? [] : tracks.map((track) => [track.id, track])))}
          />
          Select all {tracks.length} tracks of the list
        </label>
      )}
      {tracks && tracks.length > 0 && (
        <ul class="panel list" aria-label="Tracks">
          {tracks.map((track) => (
            <TrackRow key={track.id} track={track} isSelected={selected.has(track.id)} onToggle={() => toggle(track)} />
          ))}
        </ul>
      )}
      {tracks?.length === 0 && !isEmpty && <p class="quiet">No track matches the search.</p>}
      {found?.hasMore && (
        <Button label="More tracks" onClick={() => setPageCount(pageCount + 1)}>
          More tracks
        </Button>
      )}
    </div>
  );
}

/** What plays without a server. */
function KeptTracks() {
  const complete = kept.value.filter(({ isComplete }) => isComplete);
  if (complete.length === 0)
    return <p class="quiet">No track is kept offline. Below the mixer of a separated track is a switch for it.</p>;
  return (
    <ul class="panel list" aria-label="Tracks kept offline">
      {complete.map(({ id, title }) => (
        <li key={id}>
          <a class="title" href={`/studio/tracks/${id}`}>
            {title}
          </a>
          <span class="badge">kept offline</span>
        </li>
      ))}
    </ul>
  );
}

async function loadTracks(q: string, pageCount: number) {
  const load = (page: number) =>
    bodyOf(api.GET("/api/tracks", { params: { query: { page, page_size: PAGE_SIZE, q } } }));
  const pages = await Promise.all(Array.from({ length: pageCount }, (_, index) => load(index + 1)));
  return { tracks: pages.flatMap(({ data }) => data), hasMore: pages.some(({ meta }) => meta.total_pages > pageCount) };
}

function Heading({ search, onSearch }: { search: string; onSearch: (search: string) => void }) {
  return (
    <>
      <div class="row apart">
        <h1>Tracks</h1>
        <label class="field">
          Search
          <input class="input" type="search" value={search} onInput={(event) => onSearch(event.currentTarget.value)} />
        </label>
      </div>
      <section class="drop" aria-label="Upload">
        <ChooseFiles />
        <p class="quiet">or drop recordings and folders on any page.</p>
        <a href="/studio/demo">Demo song</a>
      </section>
    </>
  );
}

/** What a visitor without tracks sees. */
function Welcome() {
  return (
    <section class="panel welcome" aria-label="Welcome">
      <div>
        <h1>Soundwright separates a song into its instruments, and finds its tempo, key and beats.</h1>
        <div class="row">
          <ChooseFiles isFirst />
          <a class="button" href="/studio/demo">
            Open the demo song
          </a>
        </div>
        <p class="quiet">You can also drop recordings and folders on any page, or paste a link below.</p>
      </div>
      <Picture />
    </section>
  );
}

interface TrackRowProps {
  track: Track;
  isSelected: boolean;
  onToggle: () => void;
}

function TrackRow({ track, isSelected, onToggle }: TrackRowProps) {
  const facts = [track.bpm && `${track.bpm.toFixed(0)} bpm`, track.key].filter(Boolean).join(" · ");
  const jobs = jobsOf(track.id);
  return (
    <li>
      <div class="title">
        <input type="checkbox" aria-label={`Select ${track.title}`} checked={isSelected} onChange={onToggle} />{" "}
        <Cover path={track.cover_path} /> <a href={`/studio/tracks/${track.id}`}>{track.title}</a>
        <span class="quiet"> {[track.artist, facts].filter(Boolean).join(" · ")}</span>
      </div>
      <div class="row">
        {isKept(track.id) && <span class="badge">kept offline</span>}
        {track.stem_count > 0 && <span class="badge">{track.stem_count} stems</span>}
        {track.download_status !== "completed" && <span class="badge active">{track.download_status}</span>}
        <span class="number quiet">{timeText(track.duration_seconds)}</span>
      </div>
      <NextStep track={track} isSeparating={jobs.some((job) => job.job_type === "processing")} />
      {jobs.map((job) => (
        <Progress key={job.id} job={job} isNamed />
      ))}
    </li>
  );
}

/** The button for what a track is ready for. */
function NextStep({ track, isSeparating }: { track: Track; isSeparating: boolean }) {
  const { isBusy, problem, run } = useAction();
  if (track.stem_count > 0)
    return (
      <a class="button" href={`/studio/tracks/${track.id}`} aria-label={`Mix ${track.title}`}>
        Mix
      </a>
    );
  if (!track.file_path || isSeparating) return <span />;
  return (
    <>
      <Button label={`Separate ${track.title}`} disabled={isBusy} onClick={() => void run(() => separate(track.id))}>
        Separate
      </Button>
      {problem && <p class="wide failure">{problem}</p>}
    </>
  );
}
