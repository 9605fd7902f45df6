/** What the library shows: source, words, model, tag, length and order. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { ClipFilter } from "../../api/clips.ts";
import { api } from "../../api/client.ts";
import { bodyOf } from "../../api/requests.ts";
import { Choice, Field } from "../../ui/forms.tsx";

const SEARCH_MILLISECONDS = 200;
const SOURCES = [
  ["all", "All clips"],
  ["mine", "My clips"],
  ["favorites", "My favorites"],
] as const;
const MODELS = [
  ["", "All models"],
  ["music", "Music"],
  ["audio", "Sounds"],
  ["magnet-music", "Music, MAGNeT"],
  ["magnet-audio", "Sounds, MAGNeT"],
] as const;
const LENGTHS = [5, 10, 20, 30, 60, 120] as const;
const SORTS = [
  ["recent", "Newest"],
  ["popular", "Most votes"],
  ["rating", "Best rated"],
] as const;

interface FiltersProps {
  readonly filter: ClipFilter;
  readonly onChange: (changed: Partial<ClipFilter>) => void;
}

export function Filters({ filter, onChange }: FiltersProps) {
  const hasFilters = filter.source !== "favorites";
  return (
    <div class="filters" role="search" aria-label="Clips">
      {hasFilters && <Search text={filter.search} onChange={(search) => onChange({ search })} />}
      <Choice
        label="Show"
        value={filter.source}
        options={SOURCES}
        onInput={(source) => onChange({ source: source as ClipFilter["source"] })}
      />
      <Choice
        label="Model"
        value={filter.model}
        options={MODELS}
        onInput={(model) => onChange({ model, category: "" })}
      />
      {hasFilters && (
        <>
          <Category filter={filter} onChange={onChange} />
          <Choice
            label="Minimum length"
            value={String(filter.minSeconds)}
            options={lengths(filter.minSeconds, "No minimum", (seconds) => seconds <= (filter.maxSeconds || Infinity))}
            onInput={(seconds) => onChange({ minSeconds: Number(seconds) })}
          />
          <Choice
            label="Maximum length"
            value={String(filter.maxSeconds)}
            options={lengths(filter.maxSeconds, "No maximum", (seconds) => seconds >= filter.minSeconds)}
            onInput={(seconds) => onChange({ maxSeconds: Number(seconds) })}
          />
          <Choice label="Order" value={filter.sort} options={SORTS} onInput={(sort) => onChange({ sort })} />
        </>
      )}
    </div>
  );
}

/** Return the lengths to choose from: those that fit the other bound, and the one that is chosen. */
function lengths(chosen: number, none: string, fits: (seconds: number) => boolean): [value: string, text: string][] {
  const all = [...new Set([...LENGTHS, chosen])].filter((seconds) => seconds > 0).sort((one, other) => one - other);
  const shown = all.filter((seconds) => fits(seconds) || seconds === chosen);
  return [["0", none], ...shown.map((seconds): [string, string] => [String(seconds), lengthText(seconds)])];
}

function lengthText(seconds: number): string {
  if (seconds % 60) return `${seconds} seconds`;
  return seconds === 60 ? "1 minute" : `${seconds / 60} minutes`;
}

/** The text that is typed becomes the search when the user pauses. */
function Search({ text, onChange }: { text: string; onChange: (text: string) => void }) {
  const [typed, type] = useState(text);
  // What comes back from the filter is older than what is typed meanwhile, so it must not replace that.
  const sent = useRef(text);
  useEffect(() => {
    if (text === sent.current) return;
    sent.current = text;
    type(text);
  }, [text]);
  useEffect(() => {
    if (typed === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = typed;
      onChange(typed);
    }, SEARCH_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [typed, onChange]);
  return (
    <div class="search">
      <Field
        label="Search"
        type="search"
        maxLength={200}
        placeholder="Words of the prompt"
        value={typed}
        onInput={type}
      />
    </div>
  );
}

/** The tags that clips have, the most frequent first. */
function Category({ filter, onChange }: FiltersProps) {
  const [counts, setCounts] = useState<readonly (readonly [string, number])[]>([]);
  useEffect(() => {
    const params = { query: { model: filter.model } };
    bodyOf(api.GET("/api/library/category-counts", { params })).then(
      (found) => setCounts(Object.entries(found).filter(([, count]) => count > 0)),
      () => setCounts([]), // the list itself shows the problem
    );
  }, [filter.model]);
  const sorted = [...counts].sort(([, one], [, other]) => other - one);
  const options = sorted.map(([key, count]) => [key, `${key.replaceAll("_", " ")} (${count})`] as const);
  const isListed = filter.category === "" || counts.some(([key]) => key === filter.category);
  return (
    <Choice
      label="Tag"
      value={filter.category}
      options={[["", "All tags"], ...options, ...(isListed ? [] : [[filter.category, filter.category] as const])]}
      onInput={(category) => onChange({ category })}
    />
  );
}
