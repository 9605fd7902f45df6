/** One conversation: its messages, and the next question. Messages are text, whatever they contain. */

import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type AgentMessage, api, dataOf } from "../../api/client.ts";
import { useAction, useLoaded } from "../../api/requests.ts";
import { Notice } from "../../ui/components.tsx";
import { Loading } from "../../ui/forms.tsx";
import { Answer } from "./answer.tsx";

interface ChatProps {
  /** Empty: the first question starts a conversation. */
  conversationId: string;
  tracks: readonly string[];
  onAnswer: (conversationId: string) => void;
  children?: ComponentChildren;
}

export function Chat({ conversationId, tracks, onAnswer, children }: ChatProps) {
  const load = useCallback(async (): Promise<readonly AgentMessage[]> => {
    if (!conversationId) return [];
    const params = { path: { conversation_id: conversationId } };
    return (await dataOf(api.GET("/api/agents/conversations/{conversation_id}", { params }))).messages;
  }, [conversationId]);
  const { value: messages, problem, reload } = useLoaded(load);
  const action = useAction();
  const [text, setText] = useState("");
  const end = useRef<HTMLDivElement>(null);
  const count = messages?.length ?? 0;
  useEffect(() => {
    if (count > 0) end.current?.scrollIntoView({ block: "end" });
  }, [count]);
  const ask = () =>
    action.run(async () => {
      const body = { message: text, conversation_id: conversationId, track_ids: [...tracks], track_id: "", task: "" };
      const reply = await dataOf(api.POST("/api/agents/chat", { body }));
      setText("");
      await reload();
      onAnswer(reply.conversation_id);
    });
  return (
    <>
      {children}
      {(problem || action.problem) && <Notice look="bad">{problem || action.problem}</Notice>}
      {!messages && !problem && <Loading />}
      <ol class="messages" aria-label="Messages">
        {messages?.map((message) => (
          <li key={message.id} class={message.role}>
            <p class="quiet">{message.role === "user" ? "You" : nameOf(message.agent)}</p>
            <p class="content">{message.content}</p>
            {message.role !== "user" && <Answer message={message} />}
          </li>
        ))}
      </ol>
      <div ref={end} />
      {messages && <Question text={text} onInput={setText} isBusy={action.isBusy} onSend={() => void ask()} />}
    </>
  );
}

interface QuestionProps {
  text: string;
  isBusy: boolean;
  onInput: (text: string) => void;
  onSend: () => void;
}

function Question({ text, isBusy, onInput, onSend }: QuestionProps) {
  const canSend = !isBusy && text.trim() !== "";
  const sendOnEnter = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (canSend) onSend();
  };
  return (
    <form
      class="question"
      onSubmit={(event) => {
        event.preventDefault();
        if (canSend) onSend();
      }}
    >
      <label>
        Question
        <textarea
          class="input"
          rows={3}
          maxLength={4000}
          value={text}
          onInput={(event) => onInput(event.currentTarget.value)}
          onKeyDown={sendOnEnter}
        />
      </label>
      <div class="row apart">
        <span class="quiet" role="status">
          {isBusy ? "The agent is answering…" : "Enter sends, Shift and Enter begin a new line."}
        </span>
        <button type="submit" class="button primary" disabled={!canSend}>
          Ask
        </button>
      </div>
    </form>
  );
}

function nameOf(agent: string | null): string {
  return (agent ?? "agent").replaceAll("_", " ");
}
