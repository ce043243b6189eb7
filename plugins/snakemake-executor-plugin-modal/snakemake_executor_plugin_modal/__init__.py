"""Snakemake jobs in Modal sandboxes: `snakemake --executor modal --jobs N`. Modal is imported at the first job."""

from snakemake_interface_executor_plugins.settings import CommonSettings

from snakemake_executor_plugin_modal.executor import Executor
from snakemake_executor_plugin_modal.settings import ExecutorSettings

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=True,
    job_deploy_sources=True,
    can_transfer_local_files=True,  # inputs, outputs and sources are moved by this plugin, by content
    pass_envvar_declarations_to_cmd=False,  # they travel as a secret, not on a command line
    auto_deploy_default_storage_provider=True,
)

__all__ = ["Executor", "ExecutorSettings", "common_settings"]
