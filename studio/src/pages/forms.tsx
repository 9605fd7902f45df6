/** The components of forms, tables and lists in every state, for the page of components. */

import { useState } from "preact/hooks";
import {
  Choice,
  Confirm,
  Copyable,
  Field,
  Form,
  Loading,
  NumberField,
  Pager,
  Section,
  Submit,
  Table,
  Time,
} from "../ui/forms.tsx";

const OPTIONS = [
  ["one", "One"],
  ["two", "Two"],
] as const;
const META = { page: 2, total_count: 143, total_pages: 6 };
const LONG = "A name that is much longer than the column of the table in which it stands";
const nothing = () => {};

export function FormExamples() {
  const [text, setText] = useState("");
  const [choice, setChoice] = useState("one");
  const [number, setNumber] = useState(8);
  const [seed, setSeed] = useState<number | null>(null);
  return (
    <>
      <Section title="A section with a form" onRetry={nothing}>
        <Form label="Example" onSubmit={nothing}>
          <Field label="Text with a label above it" value={text} onInput={setText} placeholder="Placeholder" />
          <NumberField label="Number" value={number} min={1} max={120} onInput={setNumber} />
          <NumberField
            label="Number that may stay empty"
            value={seed}
            min={0}
            max={99}
            placeholder="random"
            onInput={setSeed}
            onClear={() => setSeed(null)}
          />
          <Choice label="Choice with a label above it" value={choice} options={OPTIONS} onInput={setChoice} />
          <Choice label="Disabled choice" value="one" options={OPTIONS} onInput={nothing} disabled />
          <Submit>Send</Submit>
          <Submit disabled>Disabled</Submit>
        </Form>
        <Copyable label="Example text" text="curl -H 'Authorization: Bearer …' 'https://example.org/api/tracks'" />
        <div class="row">
          <Confirm label="Delete the example" text="Delete" question="This cannot be undone." onConfirm={nothing} />
        </div>
      </Section>
      <Section title="A section with a table">
        <Table label="Example table" columns={["Name", "Time", "Number"]}>
          <tr>
            <td class="name">{LONG}</td>
            <td>
              <Time at="2026-11-23T12:00:00Z" />
            </td>
            <td class="number">12</td>
          </tr>
          <tr>
            <td class="name">Short</td>
            <td>
              <Time at={null} />
            </td>
            <td class="number">3</td>
          </tr>
        </Table>
        <Pager meta={META} onPage={nothing} what="examples" />
        <Loading />
      </Section>
      <Section title="A section with a problem" problem="Something failed. This is what to do." onRetry={nothing}>
        {null}
      </Section>
    </>
  );
}
