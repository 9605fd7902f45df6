import { useCallback, useState } from "preact/hooks";
import { api, type Session } from "../../api/client.ts";
import { bodyOf, useAction, useLoaded } from "../../api/requests.ts";
import { Confirm, Pager, Section, Table, Time } from "../../ui/forms.tsx";
import { browserText } from "../../ui/texts.ts";

/** The browsers that are logged in. */
export function Sessions() {
  const [page, setPage] = useState(1);
  const load = useCallback(() => bodyOf(api.GET("/api/sessions", { params: { query: { page } } })), [page]);
  const { value: listed, problem, reload } = useLoaded(load);
  const action = useAction();
  const end = (id: string) =>
    action.run(async () => {
      await bodyOf(api.DELETE("/api/sessions/{session_id}", { params: { path: { session_id: id } } }));
      await reload();
    });
  const endOthers = () =>
    action.run(async () => {
      await bodyOf(api.DELETE("/api/sessions"));
      setPage(1);
      await reload();
    });
  return (
    <Section title="Logged-in browsers" problem={problem || action.problem} isLoading={!listed}>
      {listed && (
        <Table label="Logged-in browsers" columns={["Browser", "Address", "Last used", "Logged in", "Log out"]}>
          {listed.data.map((session) => (
            <Row key={session.id} session={session} onEnd={() => void end(session.id)} />
          ))}
        </Table>
      )}
      <Pager meta={listed?.meta} onPage={setPage} what="browsers" />
      {listed && listed.meta.total_count > 1 && (
        <div class="row">
          <Confirm
            label="Log out all others"
            text="Log out all others"
            question="All browsers except this one have to log in again. API keys remain valid."
            onConfirm={() => void endOthers()}
            disabled={action.isBusy}
          />
        </div>
      )}
    </Section>
  );
}

function Row({ session, onEnd }: { session: Session; onEnd: () => void }) {
  const name = browserText(session.user_agent);
  return (
    <tr>
      <td class="name" title={session.user_agent ?? ""}>
        {name} {session.current && <span class="badge active">this browser</span>}
      </td>
      <td class="number">{session.ip_address ?? "unknown"}</td>
      <td>
        <Time at={session.last_used_at} />
      </td>
      <td>
        <Time at={session.logged_in_at} />
      </td>
      <td>
        {!session.current && (
          <Confirm
            label={`Log out ${name}`}
            text="Log out"
            question="This browser has to log in again."
            onConfirm={onEnd}
          />
        )}
      </td>
    </tr>
  );
}
