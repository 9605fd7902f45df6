import { useState } from "preact/hooks";
import { api, dataOf } from "../../api/client.ts";
import { bodyOf, useAction, useLoaded } from "../../api/requests.ts";
import { Notice } from "../../ui/components.tsx";
import { Choice, Confirm, Copyable, Field, Form, Section, Submit, Table, Time } from "../../ui/forms.tsx";
import { shellWord } from "../../ui/texts.ts";

const LIFETIMES = [
  ["30", "after 30 days"],
  ["90", "after 90 days"],
  ["365", "after a year"],
  ["0", "never"],
] as const;
const load = () => dataOf(api.GET("/api/tokens"));

/** API keys. The secret of a new one is shown until the page is left. */
export function Keys() {
  const { value: keys, problem, reload } = useLoaded(load);
  const action = useAction();
  const [name, setName] = useState("");
  const [days, setDays] = useState("90");
  const [secret, setSecret] = useState("");
  const create = () =>
    action.run(async () => {
      const body = { name, expires_in_days: Number(days) };
      setSecret((await dataOf(api.POST("/api/users/me/tokens", { body }))).token);
      setName("");
      await reload();
    });
  const revoke = (id: string) =>
    action.run(async () => {
      await bodyOf(api.DELETE("/api/tokens/{token_id}", { params: { path: { token_id: id } } }));
      setSecret(""); // it may be that of the new one
      await reload();
    });
  return (
    <Section title="API keys" problem={problem || action.problem} isLoading={!keys}>
      <p class="quiet">Programs use a key instead of your password. A key has all rights of your account.</p>
      <Form label="New API key" onSubmit={create}>
        <Field label="Name of the new key" value={name} onInput={setName} required maxLength={80} />
        <Choice label="Expires" value={days} options={LIFETIMES} onInput={setDays} />
        <Submit disabled={action.isBusy}>Create a key</Submit>
      </Form>
      {secret && <NewKey secret={secret} />}
      {keys && keys.length > 0 && (
        <Table label="API keys" columns={["Name", "Begins with", "Created", "Last used", "Expires", "Revoke"]}>
          {keys.map((key) => (
            <tr key={key.id}>
              <td class="name" title={key.name}>
                {key.name}
              </td>
              <td class="number">{key.prefix ?? "?"}…</td>
              <td>
                <Time at={key.created_at} />
              </td>
              <td>
                <Time at={key.last_used_at} />
              </td>
              <td>
                <Time at={key.expires_at} />
              </td>
              <td>
                <Confirm
                  label={`Revoke ${key.name}`}
                  text="Revoke"
                  question="Programs that use this key stop working at once. This cannot be undone."
                  onConfirm={() => void revoke(key.id)}
                />
              </td>
            </tr>
          ))}
        </Table>
      )}
      {keys?.length === 0 && <p class="quiet">No keys yet.</p>}
    </Section>
  );
}

function NewKey({ secret }: { secret: string }) {
  const command = `curl -H ${shellWord(`Authorization: Bearer ${secret}`)} ${shellWord(`${location.origin}/api/tracks`)}`;
  return (
    <>
      <Notice>This is the new key. Copy it now: it is not shown again.</Notice>
      <Copyable label="New key" text={secret} />
      <p class="quiet">This command lists your tracks with it:</p>
      <Copyable label="Command" text={command} />
    </>
  );
}
