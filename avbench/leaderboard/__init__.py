"""The leaderboard: results in files that anyone can check, and the site made from them.

    leaderboard/
      entries/<suite>/<model>/<revision>.json      one model's numbers: measured (`result.json` inside) or reported by a paper
      entries/<suite>/<model>/<revision>.parquet   what each clip contributed, of measured entries
      references/<suite>/<sha256>.parquet          rows of the suite's reference clips, once for all entries
      reproduced.json                              which entries the project made itself, by hash
      site/                                        HTML, CSV, JSON and LaTeX, byte for byte what `build` makes of the entries

Rows are kept whole, not as mean and covariance: from rows every number and every interval can be made again exactly, halves
for intervals and categories can be drawn, and one clip's share can be looked at. What a network wrote is float32, so the low
bytes of the stored float64 are 0 and cost nothing once bytes are split into streams: 150 clips of `synth15` with all metrics
are 0.26 MB. Metrics on the same rows (FVD and KVD) share them.

What validation can and cannot do: every aggregate is made again from the rows, and names, ids, hashes, settings, weights and
ranges have to agree with this avbench and its suites. Someone who invents plausible rows, and numbers that follow from
them, is not caught by arithmetic; that is what *reproduced* is for.
"""
