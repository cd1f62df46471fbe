"""Jobs of batch systems, by way of dask-jobqueue."""
