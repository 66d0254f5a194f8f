"""Finding what answers: embedder, BM25, Milvus, fusion, evidence units. Decides nothing about access; it is told."""
