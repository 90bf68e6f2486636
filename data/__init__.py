"""Records: schemas, ingestion, quality, codes, names, reference data and the synthetic city."""
