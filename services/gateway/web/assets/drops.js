// A file that is dropped on the page does nothing. The browser would leave the page for it.
for (const type of ["dragenter", "dragover", "drop"]) {
  addEventListener(type, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "none";
  });
}
