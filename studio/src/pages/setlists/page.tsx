/** Setlists: tracks in the order in which they are performed. */

import { useState } from "preact/hooks";
import { createSetlist, listSetlists } from "../../api/setlists.ts";
import { isConnected } from "../../api/connection.ts";
import { useAction, useLoaded } from "../../api/requests.ts";
import { navigate } from "../../router.ts";
import { Notice } from "../../ui/components.tsx";
import { Field, Form, Submit } from "../../ui/forms.tsx";

export default function SetlistsPage() {
  const { value: setlists, problem } = useLoaded(listSetlists);
  const action = useAction();
  const [name, setName] = useState("");
  const create = () => action.run(async () => navigate(`/studio/setlists/${(await createSetlist(name.trim())).id}`));
  return (
    <div class="page">
      <h1>Setlists</h1>
      {(problem || action.problem) && <Notice look="bad">{action.problem || problem}</Notice>}
      {isConnected.value && (
        <Form label="New setlist" onSubmit={() => void create()}>
          <Field label="Name of a new setlist" value={name} required maxLength={100} onInput={setName} />
          <Submit disabled={action.isBusy || name.trim() === ""}>Create</Submit>
        </Form>
      )}
      {setlists && setlists.length > 0 && (
        <ul class="panel list" aria-label="Setlists">
          {setlists.map((setlist) => (
            <li key={setlist.id}>
              <a class="title" href={`/studio/setlists/${setlist.id}`}>
                {setlist.name}
              </a>
              <span class="quiet">{setlist.track_count === 1 ? "1 track" : `${setlist.track_count} tracks`}</span>
            </li>
          ))}
        </ul>
      )}
      {setlists?.length === 0 && (
        <p class="quiet">
          A setlist has the tracks of a rehearsal or a concert in their order, with keys and tempi, and plays them one
          after another.
        </p>
      )}
    </div>
  );
}
