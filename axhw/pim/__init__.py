"""Language models with experts on crossbars that share their periphery: schedules, caches, time and energy."""
