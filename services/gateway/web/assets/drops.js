// A file that is dropped on the page goes to the form for uploads, if there is one. The browser would leave the page for it.
for (const type of ["dragover", "drop"]) {
  addEventListener(type, (event) => {
    if (!event.dataTransfer?.types.includes("Files") || event.target.type === "file") return;
    event.preventDefault();
    const field = document.querySelector("input[type=file]");
    if (!field) event.dataTransfer.dropEffect = "none";
    else if (type === "drop") field.files = event.dataTransfer.files;
  });
}
