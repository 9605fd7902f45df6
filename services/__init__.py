"""The deployable components, one package each. They meet in gRPC stubs and bus subjects, never in imports."""
