/** The tags of a clip: its categories, and suggestions. Three users with the same suggestion change them. */

import { useCallback, useEffect, useState } from "preact/hooks";
import { api, type Clip, type TagSuggestions } from "../../api/client.ts";
import { bodyOf } from "../../api/requests.ts";
import { Button } from "../../ui/components.tsx";

export function Tags({ clip }: { clip: Clip }) {
  const [names, setNames] = useState<Readonly<Record<string, string>>>({});
  const [found, setFound] = useState<TagSuggestions | null>(null);
  const [message, setMessage] = useState("");
  const path = { gen_id: clip.id };
  const load = useCallback(async () => {
    const params = { path: { gen_id: clip.id } };
    setFound(await bodyOf(api.GET("/api/library/{gen_id}/tag-suggestions", { params })));
  }, [clip]);
  useEffect(() => {
    const fail = (error: Error) => setMessage(error.message);
    load().catch(fail);
    bodyOf(api.GET("/api/categories/{model}", { params: { path: { model: clip.model } } })).then(
      ({ categories }) => setNames(categories),
      fail,
    );
  }, [clip, load]);
  const send = async (answer: Promise<{ message: string }>) => {
    try {
      setMessage((await answer).message);
      await load();
    } catch (error) {
      setMessage((error as Error).message);
    }
  };
  const suggest = (category: string) =>
    send(bodyOf(api.POST("/api/library/{gen_id}/suggest-tag", { params: { path }, body: { category } })));
  const withdraw = (category: string) =>
    send(bodyOf(api.POST("/api/library/{gen_id}/cancel-tag", { params: { path }, body: { category } })));
  const current = found?.current_categories ?? [];
  const suggested = Object.entries(found?.suggestions ?? {});
  const open = Object.entries(names).filter(([key]) => !current.includes(key));
  return (
    <section aria-label="Tags" class="clip-section">
      <h3>Tags</h3>
      <ul class="row">
        {current.map((key) => (
          <li key={key} class="badge">
            {names[key] ?? key}
          </li>
        ))}
        {found && current.length === 0 && <li class="quiet">No tags yet.</li>}
      </ul>
      {suggested.length > 0 && (
        <ul class="row">
          {suggested.map(([key, count]) => (
            <li key={key} class="row">
              <span>
                {names[key] ?? key}: {count} of {found?.threshold}
              </span>
              {found?.user_suggestions.includes(key) && (
                <Button label={`Withdraw ${key}`} icon="close" look="quiet" onClick={() => void withdraw(key)} />
              )}
            </li>
          ))}
        </ul>
      )}
      <label class="field">
        Suggest a tag
        <select
          class="input"
          value=""
          onChange={(event) => {
            if (event.currentTarget.value) void suggest(event.currentTarget.value);
            event.currentTarget.value = "";
          }}
        >
          <option value="">Choose…</option>
          {open.map(([key, name]) => (
            <option key={key} value={key}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <p role="status" class="quiet">
        {message}
      </p>
    </section>
  );
}
