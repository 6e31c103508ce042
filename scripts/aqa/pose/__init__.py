"""Who moves, and where the joints are: COCO-17 keypoints of one subject a clip."""
