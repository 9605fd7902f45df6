/** The links with which anybody can play a track. */

import { useCallback, useState } from "preact/hooks";
import { api, dataOf } from "../../api/client.ts";
import { bodyOf, useAction, useLoaded } from "../../api/requests.ts";
import { Choice, Confirm, Copyable, Form, Section, Submit, Time } from "../../ui/forms.tsx";

const LIFETIMES = [
  ["7", "for a week"],
  ["30", "for 30 days"],
  ["365", "for a year"],
] as const;

export function Sharing({ trackId }: { trackId: string }) {
  const load = useCallback(
    () => dataOf(api.GET("/api/tracks/{track_id}/links", { params: { path: { track_id: trackId } } })),
    [trackId],
  );
  const { value: links, problem, reload } = useLoaded(load);
  const action = useAction();
  const [days, setDays] = useState("30");
  const [address, setAddress] = useState("");
  const create = () =>
    action.run(async () => {
      const params = { path: { track_id: trackId } };
      const body = { expires_in_days: Number(days) };
      const made = await dataOf(api.POST("/api/tracks/{track_id}/links", { params, body }));
      setAddress(location.origin + made.path);
      await reload();
    });
  const revoke = (id: string) =>
    action.run(async () => {
      const params = { path: { track_id: trackId, link_id: id } };
      await bodyOf(api.DELETE("/api/tracks/{track_id}/links/{link_id}", { params }));
      setAddress("");
      await reload();
    });
  return (
    <Section title="Share" problem={problem || action.problem}>
      <p class="quiet">With a link, anybody can play this track and its stems in the mixer, and change nothing.</p>
      <Form label="New link" onSubmit={create}>
        <Choice label="The link works" value={days} options={LIFETIMES} onInput={setDays} />
        <Submit disabled={action.isBusy}>Create a link</Submit>
      </Form>
      {address && (
        <>
          <p>Copy the link now: it is not shown again.</p>
          <Copyable label="New link" text={address} />
        </>
      )}
      {links && links.length > 0 && (
        <ul class="panel list" aria-label="Links to this track">
          {links.map((link, index) => (
            <li key={link.id}>
              <span>
                Works until <Time at={link.expires_at} />
              </span>
              <Confirm
                label={`Revoke link ${index + 1}`}
                text="Revoke"
                question="Whoever has this link can no longer play the track. This cannot be undone."
                onConfirm={() => void revoke(link.id)}
              />
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
