"""`python -m snakemake_executor_plugin_modal sweep RUN|--all`."""

from snakemake_executor_plugin_modal.sweep import main

raise SystemExit(main())
