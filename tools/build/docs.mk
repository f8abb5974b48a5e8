# `make docs`: pages that are printed by the programs themselves.

.PHONY: docs
docs: all    ## write Documentation/keywords.md from lbd's own tables
	$(Q)$(O)/lbd -dKmd > Documentation/keywords.md
