/** What belongs to an answer: links to the tracks that it uses, and buttons that start the work which it suggests. */

import { useState } from "preact/hooks";
import { analyseAll } from "../../api/analysis.ts";
import type { AgentMessage, Suggestion } from "../../api/client.ts";
import { useAction } from "../../api/requests.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { separate } from "../separation/controls.tsx";

export function Answer({ message }: { message: AgentMessage }) {
  return (
    <>
      {message.tracks.length > 0 && (
        <ul class="row" aria-label="Tracks of the answer">
          {message.tracks.map((track) => (
            <li key={track.id}>
              <a class="badge" href={`/studio/tracks/${track.id}`}>
                {track.title}
              </a>
            </li>
          ))}
        </ul>
      )}
      {message.suggestions.length > 0 && (
        <div class="row">
          {message.suggestions.map((suggestion) => (
            <Work key={`${suggestion.work} ${suggestion.track_id}`} suggestion={suggestion} />
          ))}
        </div>
      )}
    </>
  );
}

function Work({ suggestion }: { suggestion: Suggestion }) {
  const [isStarted, setStarted] = useState(false);
  const action = useAction();
  const start = START[suggestion.work];
  if (!start) return null;
  const label = `${start.verb} ${suggestion.title ? `“${suggestion.title}”` : "the track"}`;
  const run = () =>
    void action.run(async () => {
      await start.run(suggestion.track_id);
      setStarted(true);
    });
  if (isStarted) {
    return (
      <span role="status">
        Started: {label}. <a href="/studio/jobs">Jobs</a> show the progress.
      </span>
    );
  }
  return (
    <>
      <Button label={label} disabled={action.isBusy} onClick={run}>
        {label}
      </Button>
      {action.problem && <Notice look="bad">{action.problem}</Notice>}
    </>
  );
}

const START: Record<string, { verb: string; run: (trackId: string) => Promise<void> }> = {
  analysis: { verb: "Analyse", run: analyseAll },
  separation: { verb: "Separate", run: separate },
};
