import { useCallback, useState } from "preact/hooks";
import { account, api, dataOf, type User } from "../../api/client.ts";
import { bodyOf, useAction, useLoaded } from "../../api/requests.ts";
import { Choice, Confirm, Field, Pager, Section, Table, Time } from "../../ui/forms.tsx";
import { Quota } from "./quota.tsx";

const ROLES = ["user", "pro", "enterprise", "admin", "platform_admin", "super_admin"];
const GUEST = "guest"; // gets a role by registering
const STATUSES = ["active", "suspended", "banned"];
const LOOKS: Record<string, string> = { active: "good", suspended: "bad", banned: "bad" };
const optionsOf = (words: readonly string[]) => words.map((word) => [word, word.replaceAll("_", " ")] as const);
const filterOf = (words: readonly string[]) => [["", "all"] as const, ...optionsOf(words)];

interface Changes {
  role?: string;
  status?: string;
  storage_quota_bytes?: number;
}

/** Users: search, roles, status and storage. The server decides what an administrator may change. */
export function Users() {
  const [search, setSearch] = useState("");
  const [role, setRole] = useState("");
  const [status, setStatus] = useState("");
  const [page, setPage] = useState(1);
  const load = useCallback(
    () => bodyOf(api.GET("/api/admin/users", { params: { query: { search, role, status, page } } })),
    [search, role, status, page],
  );
  const { value: listed, problem, reload } = useLoaded(load);
  const action = useAction();
  const filter = (change: () => void) => {
    change();
    setPage(1);
  };
  const update = (user: User, changes: Changes) =>
    void action.run(async () => {
      const params = { path: { user_id: user.id } };
      await dataOf(
        api.PATCH("/api/admin/users/{user_id}", { params, body: { role: "", status: "", ...changes } as never }),
      );
      await reload();
    });
  return (
    <Section title="Users" problem={problem || action.problem} isLoading={!listed}>
      <div class="form">
        <Field label="Email address" type="search" value={search} onInput={(text) => filter(() => setSearch(text))} />
        <Choice
          label="Role"
          value={role}
          options={filterOf([...ROLES, GUEST])}
          onInput={(word) => filter(() => setRole(word))}
        />
        <Choice
          label="Status"
          value={status}
          options={filterOf(STATUSES)}
          onInput={(word) => filter(() => setStatus(word))}
        />
      </div>
      {listed && listed.data.length > 0 && (
        <Table label="Users" columns={["Email address", "Role", "Status", "Tracks", "Storage", "Registered", "Change"]}>
          {listed.data.map((user) => (
            <Row key={user.id} user={user} isBusy={action.isBusy} onUpdate={(changes) => update(user, changes)} />
          ))}
        </Table>
      )}
      {listed?.data.length === 0 && <p class="quiet">No user matches.</p>}
      <Pager meta={listed?.meta} onPage={setPage} what="users" />
    </Section>
  );
}

interface RowProps {
  user: User;
  isBusy: boolean;
  onUpdate: (changes: Changes) => void;
}

function Row({ user, isBusy, onUpdate }: RowProps) {
  const isOwn = user.email === account;
  const isGuest = user.role === GUEST;
  return (
    <tr>
      <td class="name" title={user.email}>
        {user.email}
      </td>
      <td>
        <Choice
          label={`Role of ${user.email}`}
          isCompact
          value={user.role}
          options={optionsOf(isGuest ? [GUEST] : ROLES)}
          disabled={isOwn || isGuest || isBusy}
          onInput={(role) => onUpdate({ role })}
        />
      </td>
      <td>
        <span class={`badge ${LOOKS[user.status] ?? ""}`}>{user.status}</span>
      </td>
      <td class="number">{user.track_count}</td>
      <td>
        <Quota
          user={user}
          disabled={isOwn || isBusy}
          onChange={(storage_quota_bytes) => onUpdate({ storage_quota_bytes })}
        />
      </td>
      <td>
        <Time at={user.inserted_at} />
      </td>
      <td>
        <span class="row">
          {user.status === "active" ? (
            <Confirm
              label={`Suspend ${user.email}`}
              text="Suspend"
              question={`${user.email} is logged out everywhere and cannot log in. Jobs and files remain.`}
              onConfirm={() => onUpdate({ status: "suspended" })}
              disabled={isOwn || isBusy}
            />
          ) : (
            <Confirm
              label={`Reactivate ${user.email}`}
              text="Reactivate"
              question={`${user.email} can log in again.`}
              onConfirm={() => onUpdate({ status: "active" })}
              disabled={isBusy}
            />
          )}
          {user.status !== "banned" && (
            <Confirm
              label={`Ban ${user.email}`}
              text="Ban"
              question={`${user.email} is logged out everywhere and cannot log in. Jobs and files remain.`}
              onConfirm={() => onUpdate({ status: "banned" })}
              disabled={isOwn || isBusy}
            />
          )}
        </span>
      </td>
    </tr>
  );
}
