import { analysesNewTracks, setAnalysesNewTracks } from "../../api/analysis.ts";
import { Section } from "../../ui/forms.tsx";

export function NewTracks() {
  return (
    <Section title="New tracks">
      <label class="field">
        <input
          type="checkbox"
          checked={analysesNewTracks.value}
          onChange={(event) => setAnalysesNewTracks(event.currentTarget.checked)}
        />
        Analyse new tracks in this browser: tempo, key, beats and loudness
      </label>
    </Section>
  );
}
