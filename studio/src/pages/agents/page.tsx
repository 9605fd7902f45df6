/** Conversations with the agents about tracks. `/studio/agents/about/ID,ID` starts one about these tracks. */

import "./agents.css";
import { useCallback, useState } from "preact/hooks";
import { api, type Track } from "../../api/client.ts";
import { useFeatures } from "../../api/features.ts";
import { bodyOf, useAction, useLoaded } from "../../api/requests.ts";
import { navigate } from "../../router.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { Confirm, Loading, Pager, Time } from "../../ui/forms.tsx";
import { Chat } from "./chat.tsx";
import { Subject, useSubject } from "./subject.tsx";

export default function AgentsPage({ id }: { id: string }) {
  const about = id.startsWith("about/") ? id.slice("about/".length).split(",") : [];
  const conversationId = about.length > 0 ? "" : id;
  const [round, setRound] = useState(0);
  return (
    <div class="page agents">
      <h1>Agents</h1>
      <Abilities />
      <section aria-label="Conversation">
        {conversationId ? (
          <Chat key={conversationId} conversationId={conversationId} tracks={[]} onAnswer={() => setRound(round + 1)} />
        ) : (
          <NewConversation key={id} about={about} />
        )}
      </section>
      <Conversations current={conversationId} round={round} />
    </div>
  );
}

/** Says before the question what can be asked. */
function Abilities() {
  const features = useFeatures();
  return (
    <p class="abilities">
      {features?.language_model && (
        <>The language model {features.language_model} answers, with facts from your tracks.</>
      )}
      {features && !features.language_model && (
        <>
          No language model is configured, so the agents answer by rules. Ask for the key, tempo, energy or loudness of
          a track, its stems, cue points and loops, the order of tracks in a set, or tracks of your library by their
          names. They do not understand other questions.
        </>
      )}
    </p>
  );
}

function NewConversation({ about }: { about: readonly string[] }) {
  const subject = useSubject(about);
  return (
    <Chat
      conversationId=""
      tracks={subject.tracks.map((track: Track) => track.id)}
      onAnswer={(conversationId) => navigate(`/studio/agents/${conversationId}`)}
    >
      <Subject subject={subject} />
    </Chat>
  );
}

/** The conversations of the account, loaded again in each `round`. */
function Conversations({ current, round }: { current: string; round: number }) {
  const [page, setPage] = useState(1);
  const load = useCallback(() => {
    void round;
    return bodyOf(api.GET("/api/agents/conversations", { params: { query: { page } } }));
  }, [page, round]);
  const { value: listed, problem, reload } = useLoaded(load);
  const action = useAction();
  const remove = (id: string) =>
    void action.run(async () => {
      const params = { path: { conversation_id: id } };
      await bodyOf(api.DELETE("/api/agents/conversations/{conversation_id}", { params }));
      if (id === current) navigate("/studio/agents");
      await reload();
    });
  return (
    <nav class="conversations" aria-label="Conversations">
      <div class="row apart">
        <h2>Conversations</h2>
        <Button label="New conversation" icon="plus" onClick={() => navigate("/studio/agents")} />
      </div>
      {(problem || action.problem) && <Notice look="bad">{problem || action.problem}</Notice>}
      {!listed && !problem && <Loading />}
      {listed?.data.length === 0 && <p class="quiet">No conversations yet.</p>}
      <ul>
        {listed?.data.map((conversation) => (
          <li key={conversation.id} class="row apart">
            <a
              href={`/studio/agents/${conversation.id}`}
              aria-current={conversation.id === current ? "page" : undefined}
              title={conversation.title}
            >
              {conversation.title}
            </a>
            <Confirm
              label={`Delete “${conversation.title}”`}
              text="Delete"
              question="The conversation and its messages are deleted. Jobs that it started continue."
              onConfirm={() => remove(conversation.id)}
            />
            <span class="quiet">
              <Time at={conversation.updated_at} />
            </span>
          </li>
        ))}
      </ul>
      <Pager meta={listed?.meta} onPage={setPage} what="conversations" />
    </nav>
  );
}
