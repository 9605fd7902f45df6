/** The library of clips. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type ClipFilter, deleted, listClips } from "../../api/clips.ts";
import type { Clip } from "../../api/client.ts";
import * as player from "../../player/player.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { ClipCard } from "./card.tsx";
import { Filters } from "./filters.tsx";
import { ClipPages, type LoadedPage } from "./pages.ts";

const START: ClipFilter = {
  source: "all",
  search: "",
  model: "",
  category: "",
  userId: "",
  minSeconds: 0,
  maxSeconds: 0,
  sort: "recent",
};

/** `id` is the encoded ID of a user, for the clips of this user alone. */
export default function ClipsPage({ id }: { id: string }) {
  const [list] = useState(() => new ClipPages(listClips));
  const [filter, setFilter] = useState<ClipFilter>(() => ({ ...START, ...savedFilter(), userId: decoded(id) }));
  useEffect(() => {
    void list.show(filter);
    saveFilter(filter);
  }, [list, filter]);
  useEffect(() => () => list.close(), [list]);
  const change = useCallback((changed: Partial<ClipFilter>) => setFilter((before) => ({ ...before, ...changed })), []);
  return (
    <div class="page">
      <div class="row apart">
        <h1>Clips</h1>
        <p class="quiet" role="status">
          {countText(remaining(list))}
        </p>
      </div>
      <Filters filter={filter} onChange={change} />
      {filter.userId && <Notice action={<a href="/studio/clips">All clips</a>}>You see the clips of one user.</Notice>}
      {list.failedPage.value === 1 && <Failure list={list} />}
      <Grid list={list} />
      <End list={list} isFiltered={[...STRINGS, ...NUMBERS].some((name) => filter[name] !== START[name])} />
    </div>
  );
}

function Grid({ list }: { list: ClipPages }) {
  const playFrom = useCallback(
    (clip: Clip) => {
      const clips = list.clips.filter(({ id }) => !deleted.value.has(id));
      const from = Math.max(0, clips.indexOf(clip) - 100);
      player.play(clips.slice(from, from + 300), clips.indexOf(clip) - from, { name: "library" });
    },
    [list],
  );
  return (
    <div>
      {list.pages.value.map((page) => (
        <GridPage key={page.number} page={page} onPlay={playFrom} />
      ))}
    </div>
  );
}

/** One page of cards. Far from the visible part, only its height is kept. */
function GridPage({ page, onPlay }: { page: LoadedPage; onPlay: (clip: Clip) => void }) {
  const element = useRef<HTMLUListElement>(null);
  const [height, setHeight] = useState<number | null>(null);
  useEffect(() => {
    const list = element.current;
    if (!list) return;
    const observer = new IntersectionObserver(
      ([entry]) => {
        const isNear = entry?.isIntersecting || list.contains(document.activeElement);
        setHeight(isNear ? null : list.getBoundingClientRect().height);
      },
      { rootMargin: "2000px" },
    );
    observer.observe(list);
    return () => observer.disconnect();
  }, []);
  const shown = height === null ? page.clips.filter(({ id }) => !deleted.value.has(id)) : [];
  return (
    <ul
      class="clip-grid"
      ref={element}
      aria-label={`Clips, page ${page.number}`}
      style={height === null ? {} : { height: `${height}px` }}
    >
      {shown.map((clip) => (
        <li key={clip.id}>
          <ClipCard clip={clip} onPlay={() => onPlay(clip)} />
        </li>
      ))}
    </ul>
  );
}

/** The end of the list. It loads the next page when it comes near, or with its button. */
function End({ list, isFiltered }: { list: ClipPages; isFiltered: boolean }) {
  const element = useRef<HTMLDivElement>(null);
  const pageCount = list.pages.value.length;
  useEffect(() => {
    const end = element.current;
    if (!end) return;
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting) void list.more();
      },
      { rootMargin: "600px" },
    );
    observer.observe(end);
    return () => observer.disconnect();
  }, [list, pageCount]);
  if (list.failedPage.value > 1) return <Failure list={list} />;
  if (list.total.value === 0) return <Empty isFiltered={isFiltered} />;
  return (
    <div class="row" ref={element}>
      {list.isLoading.value && <span class="quiet">Loading…</span>}
      {list.hasMore && pageCount > 0 && (
        <Button label="Load more clips" disabled={list.isLoading.value} onClick={() => void list.more()}>
          Load more clips
        </Button>
      )}
    </div>
  );
}

function Failure({ list }: { list: ClipPages }) {
  const again = (
    <Button label="Try again" onClick={() => void list.retry()}>
      Try again
    </Button>
  );
  return (
    <Notice look="bad" action={again}>
      {list.problem.value}
    </Notice>
  );
}

function Empty({ isFiltered }: { isFiltered: boolean }) {
  return (
    <p class="quiet">
      {isFiltered ? "No clips match. Change the filters, or " : "No clips yet. To make the first, "}
      <a href="/studio/generate">generate a clip</a>.
    </p>
  );
}

/** Return how many clips match, without those that were deleted here. */
function remaining(list: ClipPages): number | null {
  if (list.total.value === null) return null;
  return list.total.value - list.clips.filter(({ id }) => deleted.value.has(id)).length;
}

function countText(total: number | null): string {
  if (total === null) return "";
  return total === 1 ? "1 clip" : `${total.toLocaleString()} clips`;
}

function decoded(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return "";
  }
}

const STRINGS = ["source", "search", "model", "category", "sort"] as const;
const NUMBERS = ["minSeconds", "maxSeconds"] as const;

/** Return the filter in the address, so that going back and reloading keep it. */
function savedFilter(): Partial<ClipFilter> {
  const saved = new URLSearchParams(location.search);
  const texts = STRINGS.filter((name) => saved.has(name)).map((name) => [name, saved.get(name)]);
  const seconds = NUMBERS.map((name) => [name, Number(saved.get(name)) || 0]);
  return { ...Object.fromEntries(texts), ...Object.fromEntries(seconds) };
}

function saveFilter(filter: ClipFilter): void {
  const changed = new URLSearchParams();
  for (const name of [...STRINGS, ...NUMBERS]) {
    if (filter[name] !== START[name]) changed.set(name, String(filter[name]));
  }
  history.replaceState(null, "", `${location.pathname}${changed.size > 0 ? `?${changed}` : ""}`);
}
