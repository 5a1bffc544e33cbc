"""Known damage to known clips: what a metric should notice, and people were asked about.

    base       what a distortion is
    timing     sound and picture moved or played faster and slower, fragments shuffled (AVS Benchmark 01 to 05, 09)
    gaps       sound, picture or both missing for a while (AVS Benchmark 06 to 08)
    quality    noise, low-pass, blur
    content    frames dropped, sound of another clip
    catalogue  all of them by code and name
    files      folders of clips to folders of distorted clips, in parallel, resumable
    worker     the process that makes one file

Adding a distortion is one `Distortion` in one of the families; the catalogue collects their `DISTORTIONS`.
"""
