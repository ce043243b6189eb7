"""Objects and the memo's records between this store and another: `sparring store push` and `pull`."""
