"""Do a metric's numbers agree with people? Pure functions on arrays, a ratings loader, and the report of `avbench agree`.

    pairs          pairwise accuracy with ties and calibrated epsilon, Kendall's tau-b
    correlation    Pearson, Spearman, AUROC, weighted by how often a resample holds a clip
    resampling     bootstrap over prompts or clips that feeds those weights
    permutation    PERM-BOTH between two metrics, paired tests, soft pairwise accuracy, Holm
    annotators     Krippendorff's alpha, the human ceiling
    votes          Bradley-Terry with ties (Davidson)
    ratings        files of ratings, votes and labels
    scores         metric values per clip, from a run or a table
    report         all of it, for `avbench agree`

Nothing here imports torch.
"""
