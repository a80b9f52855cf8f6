/** How glibc's allocator is set in the image (docker/backend.Dockerfile); it reads this when a process starts, so the program cannot set it itself. */
export const IMAGE_ALLOCATOR = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '524288',
  MALLOC_TRIM_THRESHOLD_: '1048576',
} as const;
