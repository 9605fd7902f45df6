"""Generation engines behind one Protocol (:class:`soundwright.services.generation.service.Engine`)."""
